// The operands of `n4_run`, decoded and checked.
#pragma once

#include <vector>

#include "delivery.h"
#include "learning.h"
#include "program.h"

namespace neuro4d {

// What is static about a call, as the Python side wrote it down.
struct RunSpec {
  CallAttributes attributes;
  ffi::Span<const int64_t> groups;   // cell, width, ports, Poisson inputs, extras, whether neurons may die
  ffi::Span<const int64_t> ports;    // receptor
  ffi::Span<const int64_t> paths;    // target group, ring, kind of weight, whether early; rule or -1, traces where the last spike alone counts
  ffi::Span<const int64_t> poisson;  // port, whether neurons have segments each, steps for which a row is held (0: there is one row)
  ffi::Span<const int64_t> extras;   // kind; port, whether it changes from step to step (noise: first neuron, neurons)
  int64_t rings;                     // those of the groups first
  int64_t length;                    // the most steps of a call
  int64_t isa;
};

struct PartOperands {
  int64_t kind = 0;  // its number in the manifest
  std::vector<Operand> state, params;
};

struct PathOperands {
  int64_t ring = 0;
  bool early = false;
  Synapses synapses;
  DeliverBlock run = nullptr;
  LearnOperands learn;
};

struct PoissonOperands {
  int64_t port = 0;
  bool each = false;
  int64_t hold = 0;
  Operand runs, thresholds, weight, a0, b0;
};

struct ExtraOperands {
  ExtraKind kind = ExtraKind::kCurrent;
  int64_t port = 0;
  bool changes = false;
  int64_t first = 0, size = 0;  // of noise
  Operand value, std, address, memory, decay;
};

struct GroupOperands {
  int64_t n = 0, width = 0, n_blocks = 0, n_spans = 0;
  PartOperands cell;
  Operand bounds, alive, addresses;
  bool mortal = false, with_g = false, with_jump = false, noisy = false;
  std::vector<PartOperands> ports;
  std::vector<PathOperands> paths;
  std::vector<PoissonOperands> poisson;
  std::vector<ExtraOperands> extras;
  char *words = nullptr, *late = nullptr, *early = nullptr;  // words: (length, n_words) per element

  int64_t n_words() const { return (n + 31) / 32; }
  int64_t block_size() const { return static_cast<int64_t>(ports.size()) * width; }
};

struct RunCall {
  BatchShape batch;
  int64_t length = 1, isa = -1;
  Operand count, step, start, key;
  std::vector<Ring> rings;
  std::vector<GroupOperands> groups;
};

ffi::Error decode(ffi::RemainingArgs args, ffi::RemainingRets rets, const RunSpec& spec, RunCall* call);

}  // namespace neuro4d
