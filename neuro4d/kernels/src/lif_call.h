// The operands of `n4_lif_run`, decoded and checked.
#pragma once

#include <vector>

#include "delivery.h"
#include "lif_types.h"

namespace neuro4d {

// What is static about a call, as the Python side wrote it down.
struct LifCallSpec {
  CallAttributes attributes;
  ffi::Span<const int64_t> ports;    // kind
  ffi::Span<const int64_t> paths;    // ring, kind of weight, whether early
  ffi::Span<const int64_t> poisson;  // port
  ffi::Span<const int64_t> extras;   // kind, port
  int64_t rings;
  int64_t mortal;  // whether there is an operand that says who is alive
  int64_t width;
  int64_t length;  // the most steps of a call
  int64_t isa;
};

struct LifPortOperands {
  PortKind kind = PortKind::kCurrent;
  Operand state, decay, held, e_rev;
};

struct LifPath {
  int64_t ring = 0;
  bool early = false;
  Synapses synapses;
  DeliverBlock run = nullptr;
};

struct LifPoisson {
  int64_t port = 0;
  Operand runs, thresholds, weight, a0, b0;
};

struct LifExtra {
  ExtraKind kind = ExtraKind::kCurrent;
  int64_t port = 0;
  Operand value;
};

struct LifCall {
  BatchShape batch;
  int64_t n = 0, width = 0, n_blocks = 0, n_spans = 0, length = 1;
  Operand count, step, start, key, v, left;
  Operand constants[7];
  Operand hold, bounds;
  Operand alive;  // packed bits (n_words,), where neurons may be dead
  bool mortal = false;
  std::vector<Ring> rings;  // the group's own first
  std::vector<LifPortOperands> ports;
  std::vector<LifPath> paths;
  std::vector<LifPoisson> poisson;
  std::vector<LifExtra> extras;
  char* words = nullptr;  // (length, n_words) per element
  char* late = nullptr;
  char* early = nullptr;
  bool with_g = false;

  int64_t n_words() const { return (n + 31) / 32; }
  int64_t block_size() const { return static_cast<int64_t>(ports.size()) * width; }
};

ffi::Error decode(ffi::RemainingArgs args, ffi::RemainingRets rets, const LifCallSpec& plan, LifCall* call);

}  // namespace neuro4d
