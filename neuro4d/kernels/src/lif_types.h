// One step of a group of leaky integrate-and-fire neurons, described for the translation units of each instruction set.
#pragma once

#include <cstdint>

#include "types.h"

namespace neuro4d {

// A parameter with one value for all neurons, one per span of neurons, or one per neuron.
struct Param {
  enum Mode : int32_t { kAll = 0, kSpan = 1, kNeuron = 2 };
  const float* data = nullptr;
  Mode mode = kAll;
};

enum class PortKind : int32_t { kCurrent = 0, kConductance = 1, kDelta = 2 };

// A receptor of the group. `late` and `early` say whether synapses deliver to it at the end or the beginning of a step.
struct LifPort {
  PortKind kind = PortKind::kCurrent;
  float* state = nullptr;  // (n,), pA or nS; none for jumps of the potential
  Param decay, held, e_rev;
};

// Neurons first .. first + size - 1 of a group receive Poisson input number segment + stride * i; i counts from 0 and also
// addresses their random words.
struct PoissonRun {
  int32_t first, size, segment, stride;
};

struct PoissonInput {
  int64_t port = 0;
  const PoissonRun* runs = nullptr;
  int64_t n_runs = 0;
  const uint32_t* thresholds = nullptr;  // (segments, length): words at or above number j mean more than j spikes; 0: none
  int64_t length = 0;
  int64_t n_segments = 0;
  const float* weight = nullptr;    // (segments,)
  const uint32_t* a0 = nullptr;     // (segments,)
  const uint32_t* b0 = nullptr;     // (segments,)
};

enum class ExtraKind : int32_t { kCurrent = 0, kConductance = 1, kJump = 2, kArrival = 3 };

// What a stimulus adds: to the drive, or to the arrivals of a port. One value for all neurons or one per neuron.
struct Extra {
  ExtraKind kind = ExtraKind::kCurrent;
  int64_t port = 0;
  Param value;
};

struct LifConstants {
  Param leak, resistance, rate, g_leak, v_rest, v_th, v_reset;
  const int32_t* hold = nullptr;
  Param::Mode hold_mode = Param::kAll;
};

constexpr int64_t kMostPorts = 64;

// One element of a batch. Sums of synapses lie in blocks of `width` neurons: port * width + (neuron - block * width).
struct LifStep {
  int64_t n = 0, width = 0, n_blocks = 0;
  float* v = nullptr;
  float* left = nullptr;  // held: steps until free, 1 or more; free: what rounding left over of v
  uint32_t* words = nullptr;
  LifConstants constants;
  const int32_t* bounds = nullptr;  // (n_spans + 1,)
  const uint32_t* alive = nullptr;  // (n_words,) one bit per neuron, or none: all are alive
  int64_t n_spans = 0;
  const LifPort* ports = nullptr;
  int64_t n_ports = 0;
  const PoissonInput* poisson = nullptr;
  int64_t n_poisson = 0;
  const Extra* extras = nullptr;
  int64_t n_extras = 0;
  float* late = nullptr;   // (n_blocks, n_ports * width) what arrives at the end of the step, or none
  float* early = nullptr;  // the same, at its beginning
  uint32_t key[2] = {0, 0};
  uint32_t elapsed = 0;
  bool with_g = false;
};

constexpr int64_t kPiece = 512;  // neurons at a time: everything about them stays in the first cache

// Room for the neurons of one piece, owned by one thread.
struct Scratch {
  struct CachedSum {
    float sum[kPiece];
    bool done = false;
  };
  CachedSum drive[3];  // conductance, current, jump
  float zero[kPiece] = {};
  float g[kPiece];
  float i[kPiece];
  float jump[kPiece];
  int32_t fired[kPiece];
  float spare[8][kPiece];
  int32_t spare_hold[kPiece];
};

using LifBlock = void (*)(const LifStep&, int64_t block, Scratch* room);

void lif_block_baseline(const LifStep& x, int64_t block, Scratch* room);
void lif_block_avx2(const LifStep& x, int64_t block, Scratch* room);
void lif_block_avx512(const LifStep& x, int64_t block, Scratch* room);

}  // namespace neuro4d
