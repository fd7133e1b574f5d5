// Random synapses and a past, laid out as the kernels read them. The layout is made in `lay_out` alone, and read in `segment`.
#pragma once

#include <algorithm>
#include <vector>

#include "check.h"

namespace n4_test {

struct Shape {
  int64_t n_source, n_blocks, block_size, mean, depth;
  std::vector<int32_t> delays;
  neuro4d::WeightKind kind;
  int32_t rate;  // of 256 sources, so many fire in a step
};

// Edges by block, source, delay. `edges[(block * n_source + source) * n_delays + d]` lists targets within the block.
struct Drawn {
  Shape shape;
  std::vector<std::vector<int32_t>> edges;
  std::vector<int32_t> ids, count;
};

struct Span {
  int64_t begin, end;
};

struct Layout {
  Shape shape;
  std::vector<uint32_t> start, bounds;
  std::vector<int32_t> flat;  // targets in their order
  std::vector<int32_t> ids, count;

  Span segment(int64_t block, int64_t source, int64_t d) const {
    const size_t row = static_cast<size_t>(source), n_pieces = shape.delays.size() * static_cast<size_t>(shape.n_blocks);
    const int64_t begin = static_cast<int64_t>(start[2 * row] | static_cast<uint64_t>(start[2 * row + 1]) << 32);
    const size_t piece = row * (n_pieces + 1) + static_cast<size_t>(d * shape.n_blocks + block);
    return {begin + bounds[piece], begin + bounds[piece + 1]};
  }

  int64_t n_weights() const {
    if (shape.kind == neuro4d::WeightKind::kOne) return 1;
    return shape.kind == neuro4d::WeightKind::kSource ? shape.n_source : static_cast<int64_t>(flat.size());
  }

  // The number of the weight of an edge.
  int64_t weight_of(int64_t source, int64_t edge) const {
    if (shape.kind == neuro4d::WeightKind::kOne) return 0;
    return shape.kind == neuro4d::WeightKind::kSource ? source : edge;
  }
};

inline Drawn draw(const Shape& shape, Random* random) {
  Drawn out{shape, {}, {}, {}};
  const int64_t n_delays = static_cast<int64_t>(shape.delays.size());
  out.edges.resize(static_cast<size_t>(shape.n_blocks * shape.n_source * n_delays));
  for (std::vector<int32_t>& row : out.edges) {
    // Most rows are short, some are empty, a few are long.
    const int64_t most = random->below(16) == 0 ? 8 * shape.mean : shape.mean;
    row.resize(static_cast<size_t>(random->below(most + 1)));
    for (int32_t& target : row) target = static_cast<int32_t>(random->below(shape.block_size));
  }
  out.ids.assign(static_cast<size_t>(shape.depth * shape.n_source), INT32_MAX);  // rubbish past the count
  out.count.assign(static_cast<size_t>(shape.depth), 0);
  for (int64_t row = 0; row < shape.depth; ++row) {
    for (int32_t source = 0; source < shape.n_source; ++source) {
      if (random->below(256) < shape.rate) out.ids[static_cast<size_t>(row * shape.n_source + out.count[row]++)] = source;
    }
  }
  return out;
}

inline Layout lay_out(const Drawn& drawn) {
  Layout out{drawn.shape, {}, {}, {}, drawn.ids, drawn.count};
  const size_t n_delays = drawn.shape.delays.size();
  const size_t n_blocks = static_cast<size_t>(drawn.shape.n_blocks), n_source = static_cast<size_t>(drawn.shape.n_source);
  for (size_t source = 0; source < n_source; ++source) {
    const uint64_t begin = out.flat.size();
    out.start.insert(out.start.end(), {static_cast<uint32_t>(begin), static_cast<uint32_t>(begin >> 32)});
    out.bounds.push_back(0);
    for (size_t d = 0; d < n_delays; ++d) {
      for (size_t block = 0; block < n_blocks; ++block) {
        const std::vector<int32_t>& edges = drawn.edges[(block * n_source + source) * n_delays + d];
        out.flat.insert(out.flat.end(), edges.begin(), edges.end());
        out.bounds.push_back(static_cast<uint32_t>(out.flat.size() - begin));
      }
    }
  }
  return out;
}

// The spikes that a step serves, by delay.
inline void list_spikes(neuro4d::Delivery* x, std::vector<neuro4d::SpikeList>* room) {
  room->clear();
  x->n_spikes = 0;
  for (int64_t d = 0; d < x->n_delays; ++d) {
    const int64_t row = (x->step - static_cast<uint32_t>(x->delays[d])) & static_cast<uint32_t>(x->depth - 1);
    if (x->count[row] == 0) continue;
    room->push_back(neuro4d::SpikeList{x->ids + row * x->n_ids, x->count[row], d});
    x->n_spikes += x->count[row];
  }
  x->arrivals = room->data();
  x->n_arrivals = static_cast<int64_t>(room->size());
}

// `targets`, `weight` and `acc` are left to the caller.
inline neuro4d::Delivery describe(const Layout& layout) {
  neuro4d::Delivery x{};
  x.delays = layout.shape.delays.data();
  x.ids = layout.ids.data();
  x.count = layout.count.data();
  x.start = layout.start.data();
  x.bounds = layout.bounds.data();
  x.n_delays = static_cast<int64_t>(layout.shape.delays.size());
  x.depth = layout.shape.depth;
  x.n_ids = layout.shape.n_source;
  x.n_source = layout.shape.n_source;
  x.n_blocks = layout.shape.n_blocks;
  x.block_size = layout.shape.block_size;
  x.n_edges = layout.flat.size();
  return x;
}

// Sums in the order delay, source, edge, one addition at a time; `weights` as wide as the sums.
template <typename A>
void deliver_plainly(const Layout& layout, uint32_t step, const std::vector<A>& weights, std::vector<A>* acc) {
  const Shape& s = layout.shape;
  for (size_t d = 0; d < s.delays.size(); ++d) {
    const int64_t row = (step - static_cast<uint32_t>(s.delays[d])) % static_cast<uint32_t>(s.depth);
    for (int64_t k = 0; k < layout.count[static_cast<size_t>(row)]; ++k) {
      const int64_t source = layout.ids[static_cast<size_t>(row * s.n_source + k)];
      for (int64_t block = 0; block < s.n_blocks; ++block) {
        const Span span = layout.segment(block, source, static_cast<int64_t>(d));
        for (int64_t e = span.begin; e < span.end; ++e) {
          (*acc)[static_cast<size_t>(block * s.block_size + layout.flat[static_cast<size_t>(e)])] +=
              weights[static_cast<size_t>(layout.weight_of(source, e))];
        }
      }
    }
  }
}

}  // namespace n4_test
