// What a call runs, described for the translation units of each instruction set: groups of neurons, their receptors, their input.
//
// Nothing here may instantiate standard templates: the units compiled for AVX2 and AVX-512 include this file, and a template shared
// with the baseline could reach a machine that lacks those instructions.
#pragma once

#include <cstdint>

#include "learn.h"
#include "names.h"
#include "types.h"

namespace neuro4d {

constexpr int64_t kMostPorts = 64;
constexpr int64_t kMostParams = 32;  // of a cell or a receptor
constexpr int64_t kMostState = 12;
constexpr int64_t kMostThresholds = 512;  // of a Poisson input
constexpr int64_t kPiece = 512;  // neurons at a time: everything about them stays in the first cache

// A parameter or a state variable of a cell or receptor, by the name that both sides of a call know.
struct Field {
  const char* text;
  uint64_t hash;

  Name of(int64_t number) const { return {text, hash, number}; }
};

// In the place of an array of fields where there are none.
struct NoFields {};

template <int64_t kN>
constexpr int64_t count_of(const Field (&)[kN]) { return kN; }
constexpr int64_t count_of(NoFields) { return 0; }

template <int64_t kN>
constexpr const Field* first_of(const Field (&all)[kN]) { return all; }
constexpr const Field* first_of(NoFields) { return nullptr; }

#define N4_FIELD(text) \
  ::neuro4d::Field { text, ::std::integral_constant<::std::uint64_t, ::neuro4d::name_hash(text)>::value }

// A cell or receptor as the manifest shows it.
struct Part {
  const char* name;
  const Field* params;
  int64_t n_params;
  const Field* state;
  int64_t n_state;
  bool made;                 // a cell whose variables are results: nothing is read, and its spikes are remembered elsewhere
  bool gives_g, gives_jump;  // what a receptor adds to besides currents
  bool sees_v;               // a receptor whose share depends on the potential
  bool random;               // a cell that takes a random word in every step
  int64_t v_at;              // where the potential is among the variables of a cell; -1: nowhere
};

// Where the random words of the neurons of a span begin.
struct WordAddress {
  uint32_t a0, b0;
};

// A parameter with one value for all neurons, one per span of neurons, or one per neuron.
struct Param {
  enum Mode : int32_t { kAll = 0, kSpan = 1, kNeuron = 2 };
  const float* data = nullptr;
  Mode mode = kAll;
};

// A receptor of a group: its number in the manifest, its variables (n,) and parameters.
struct PortStep {
  int64_t receptor = 0;
  float* state[kMostState] = {};
  Param params[kMostParams];
};

// Neurons first .. first + size - 1 of a group receive Poisson input number segment + stride * i; i counts from 0 and also
// addresses their random words.
struct PoissonRun {
  int32_t first, size, segment, stride;
};

// Words at or above threshold number j mean more than j spikes; a threshold of 0 stands for 2^32. They lie as (rows, segments, length), or
// as (rows, length, segments) where neurons have segments `each`. Row number elapsed / hold is in force, none beyond the last; without a
// hold there is one row.
struct PoissonInput {
  int64_t port = 0;
  const PoissonRun* runs = nullptr;
  int64_t n_runs = 0;
  const uint32_t* thresholds = nullptr;
  int64_t length = 0;
  const float* weight = nullptr;  // (segments,)
  const uint32_t* a0 = nullptr;   // (segments,)
  const uint32_t* b0 = nullptr;   // (segments,)
  int64_t segments = 0;
  bool each = false;
  int64_t hold = 0, n_rows = 1;
};

enum class ExtraKind : int32_t { kCurrent = 0, kConductance = 1, kJump = 2, kArrival = 3, kNoise = 4, kColoredNoise = 5 };
constexpr const char* kExtraKinds[] = {"current", "conductance", "jump", "arrival", "noise", "colored_noise"};
constexpr int64_t kNExtraKinds = sizeof(kExtraKinds) / sizeof(kExtraKinds[0]);

constexpr bool is_noise(ExtraKind kind) { return kind == ExtraKind::kNoise || kind == ExtraKind::kColoredNoise; }

// What a stimulus adds: to the drive, or to the arrivals of a port. One value for all neurons or one per neuron; `per_step` numbers
// further on lies what it adds in the next step, 0 if that is the same.
struct Extra {
  ExtraKind kind = ExtraKind::kCurrent;
  int64_t port = 0;
  Param value;
  int64_t per_step = 0;

  // Noise: `value` is the mean and `std` the standard deviation of a current into the neurons first .. first + size - 1, with one value
  // or one for each of them; they count from 0 in their random words, whose address is a0, b0.
  Param std;
  int64_t first = 0, size = 0;
  uint32_t a0 = 0, b0 = 0;

  // Coloured noise: in each step `memory` (size,), its deviation from the mean, is multiplied by `decay` before a number is added.
  float* memory = nullptr;
  Param decay;

  bool noise() const { return is_noise(kind); }
};

// One step of one group. Sums of synapses lie in blocks of `width` neurons: port * width + (neuron - block * width).
struct GroupStep {
  int64_t n = 0, width = 0, n_blocks = 0;
  int64_t cell = 0;  // its number in the manifest
  float* state[kMostState] = {};
  Param params[kMostParams];
  uint32_t* words = nullptr;
  const uint32_t* alive = nullptr;  // (n_words,) one bit per neuron, or none: all are alive
  const int32_t* bounds = nullptr;  // (n_spans + 1,)
  int64_t n_spans = 0;
  const WordAddress* addresses = nullptr;  // (n_spans,) where the cell takes random words, which count from the first neuron of a span
  const PortStep* ports = nullptr;
  int64_t n_ports = 0;
  const PoissonInput* poisson = nullptr;
  int64_t n_poisson = 0;
  const Extra* extras = nullptr;
  int64_t n_extras = 0;
  float* late = nullptr;   // (n_blocks, n_ports * width) what arrives at the end of the step, or none
  float* early = nullptr;  // the same, at its beginning
  uint32_t key[2] = {0, 0};
  uint32_t elapsed = 0;
  int64_t k = 0;  // the number of the step in the call
  bool with_g = false, with_jump = false, noisy = false;

  int64_t n_words() const { return (n + 31) / 32; }
  int64_t block_size() const { return n_ports * width; }
};

// Room for the neurons of one piece, owned by one thread.
struct Scratch {
  struct CachedSum {
    float sum[kPiece];
    bool done = false;
  };
  // What stays the same from step to step of a group.
  struct Kept {
    CachedSum drive[3];  // conductance, current, jump
    void (*pass)() = nullptr;
    bool pass_known = false;
  };
  Kept* kept = nullptr;  // of the group that is stepped
  float zero[kPiece] = {};
  float g[kPiece];
  float i[kPiece];
  float jump[kPiece];
  int32_t fired[kPiece + 16];  // a vector may reach beyond the last neuron
  float spread[kMostParams][kPiece];
};

using BlockFunction = void (*)(const GroupStep&, int64_t block, Scratch* scratch);

// What one instruction set offers.
struct Kernels {
  BlockFunction block;
  DeliverTable deliver;
  const LearnRule* learn;  // by the number of the rule
};

// The kernels for `wanted` (0 baseline, 1 AVX2, 2 AVX-512; negative: the best), never above what the machine offers.
const Kernels& kernels(int64_t wanted);

// A rule of plasticity as the manifest shows it: its parameters, and its traces of arrivals and of spikes of the target.
struct RulePart {
  const char* name;
  const Field* params;
  int64_t n_params;
  const Field* pre;
  int64_t n_pre;
  const Field* post;
  int64_t n_post;
  bool post_sees_post;  // whether a spike of the target sees the traces of earlier ones
  bool passing;         // whether it says what a spike releases, of a strength that it does not change
};

// Every cell, receptor and rule, in the order of their numbers.
struct Manifest {
  const Part* cells;
  int64_t n_cells;
  const Part* receptors;
  int64_t n_receptors;
  const RulePart* rules;
  int64_t n_rules;
};

const Manifest& manifest();

}  // namespace neuro4d
