// Plain descriptions shared by the handlers and the translation units of each instruction set.
//
// Nothing here may instantiate standard templates: the units compiled for AVX2 and AVX-512 include this file, and a
// template shared with the baseline could reach a machine that lacks those instructions.
#pragma once

#include <cstdint>

namespace neuro4d {

// How one weight is found: one for all synapses, one for each source row, one for each synapse.
enum class WeightKind : int32_t { kOne = 0, kSource = 1, kEdge = 2 };
constexpr const char* kWeightKinds[] = {"one", "source", "edge"};

enum class Storage : int32_t { kF32 = 0, kF64 = 1, kF16 = 2, kBF16 = 3 };

enum class Isa : int32_t { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };
constexpr const char* kIsas[] = {"baseline", "avx2", "avx512"};

// The spikes of one step of the past, and the number of their delay.
struct SpikeList {
  const int32_t* ids;
  int64_t count;
  int64_t delay;
};

// The spikes of the past and the synapses they meet, for one element of a batch.
struct Delivery {
  const int32_t* delays;    // (n_delays,) ascending, in steps
  const int32_t* ids;       // (depth, n_ids): row k & (depth - 1) holds the sorted spikes of step k
  const int32_t* count;     // (depth,)
  const uint32_t* start;    // (n_source, 2): begin of a row, low and high word
  const uint32_t* bounds;   // (n_source, n_delays * n_blocks + 1): where its pieces begin, by delay, then block
  const uint32_t* some;     // (n_delays, some_words): bit i % (32 * some_words) of a row is set where source i has synapses of a delay; or none
  const void* targets;      // (n_edges,) uint16 or uint32
  const void* weight;       // (), (n_source,) or (n_edges,)
  void* acc;                // (n_blocks, block_size)
  int64_t n_delays;
  int64_t depth;
  int64_t n_ids;
  int64_t n_source;
  int64_t n_blocks;
  int64_t block_size;
  int64_t some_words;
  uint64_t n_edges;
  const SpikeList* arrivals;  // those that the step of this call serves, by delay; none is empty
  int64_t n_arrivals;
  int64_t n_spikes;         // (delay, source) pairs to serve: the sum of the counts
  uint32_t step;
};

enum class Wrong : int32_t { kNone = 0, kSource = 1, kSegment = 2, kTarget = 3 };

// The first index out of range that a block met. Such a segment is skipped, never written.
struct Failure {
  Wrong wrong = Wrong::kNone;
  int64_t delay = 0;
  int64_t source = 0;
  int64_t value = 0;
};

using DeliverBlock = Failure (*)(const Delivery&, int64_t block);

// One table per instruction set; `nullptr` for a combination that is not supported.
struct DeliverTable {
  DeliverBlock at[2][2][4][3];  // [uint32 targets][float64 sums][Storage][WeightKind]
};

}  // namespace neuro4d
