// What every handler that delivers spikes needs: checks, the cost of a call, and words for what went wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cost.h"
#include "operands.h"
#include "types.h"

namespace neuro4d {

inline std::string say(const char* what, int64_t value) { return std::string(what) + " " + std::to_string(value); }

// Shapes and types of one set of synapses against one ring of spikes and `n_blocks` blocks of targets.
struct Synapses {
  Operand delays, start, bounds, some, targets, weight;
  WeightKind kind = WeightKind::kOne;
};

struct Ring {
  Operand ids, count;
};

ffi::Error check(const Ring& ring);

ffi::Error check(const Synapses& synapses, int64_t n_blocks);

// Reads the synapses of pathway number `number` (-1: the only one). The call may change weights that `learn`.
ffi::Error read_synapses(CallBuffers* buffers, int64_t number, int64_t weight_kind, bool learn, Synapses* out);

// The kernel for the types of these synapses and sums.
ffi::Error choose(const Synapses& synapses, ffi::DataType sums, int64_t isa, DeliverBlock* out);

// One element of a batch; `acc` and `block_size` are left to the caller.
Delivery describe(const Synapses& synapses, const Ring& ring, int64_t n_blocks, const BatchShape& batch, int64_t b);

// Raises for delays and counts out of range, in any row of the ring.
ffi::Error check_ring(const Delivery& x);

// Lists the spikes that the step of `x` serves in `room`, which has to live as long as `x` is used. Where it is known which pairs (delay,
// source) have synapses at all, the others are left out: each would cost a look into a table that fits no cache.
void list_arrivals(Delivery* x, std::vector<SpikeList>* room);

ffi::Error explain(const Delivery& x, const Failure& failure);

double expected_nanoseconds(const Delivery& x);

}  // namespace neuro4d
