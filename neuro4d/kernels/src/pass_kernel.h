// Synapses that release a share of their strength, which their source and delay decide alone. Included once per instruction set, with N4_ISA
// naming it.
//
// What a source holds is kept as its last spike left it, with the step of that spike, and is brought to a step when it is read: so bits do not
// depend on when anybody looked. The weights of a row are made as a spike arrives at it, and those of all rows when a call ends.
#pragma once

#include <cstdint>

#include "learn_rows.h"

namespace neuro4d {
namespace N4_ISA {

constexpr int64_t kHeld = 3;

// What a source and delay hold in a step, before its spikes.
template <class Rule>
N4_INLINE void rested(const Learning& l, int64_t at, int32_t step, float* held) {
  float rates[kHeld];
  for (int64_t k = 0; k < kHeld; ++k) {
    held[k] = l.pre[k][at];
    rates[k] = l.of_pre[k].rate;
  }
  Rule::rest(l.params, rates, static_cast<float>(step - l.in_call(l.heard[at])), held);
}

// The weights with which a spike arrives in a step.
template <class Rule>
N4_INLINE void weigh(const Delivery& x, const Learning& l, const RowPiece& piece, int32_t step) {
  float held[kHeld];
  rested<Rule>(l, piece.delay * x.n_source + piece.source, step, held);
  const float share = Rule::released(l.params, held);
  const float* N4_RESTRICT const strength = l.strength + piece.begin;
  float* N4_RESTRICT const weight = l.weight + piece.begin;
  for (int64_t i = 0; i < piece.n; ++i) weight[i] = strength[i] * share;
}

// The weights of a block with which the spikes of the next step arrive.
template <class Rule>
Failure pass_sweep(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  Failure failure;
  for (int64_t source = 0; source < x.n_source; ++source) {
    for (int64_t delay = 0; delay < x.n_delays; ++delay) {
      RowPiece piece;
      if (!piece_of(x, block, delay, source, &piece)) {
        complain(&failure, x, Wrong::kSegment, piece, static_cast<int64_t>(piece.begin) + piece.n);
      } else if (piece.n > 0) {
        weigh<Rule>(x, l, piece, step + 1);
      }
    }
  }
  l.blocks[block].swept = step;
  return failure;
}

template <class Rule, typename T>
Failure pass_deliver(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  float* const acc = static_cast<float*>(x.acc) + block * x.block_size;
  return each_arrival<T>(x, l, block, [&](const RowPiece& piece, const T* t) {
    weigh<Rule>(x, l, piece, step);
    add_each(acc, t, piece.n, static_cast<const float*>(l.weight + piece.begin));
  });
}

inline Failure pass_arrive(const Delivery&, const Learning&, int64_t, int32_t) { return Failure{}; }

inline void pass_spikes(const Delivery&, const Learning&, int64_t, int32_t, const uint32_t*) {}

template <class Rule>
void pass_hear(const Delivery& x, const Learning& l, int32_t step) {
  each_heard(x, l, step, [&](int64_t at) {
    float held[kHeld];
    rested<Rule>(l, at, step, held);
    Rule::arrive(l.params, held);
    for (int64_t k = 0; k < kHeld; ++k) l.pre[k][at] = held[k];
  });
}

template <class Rule>
constexpr LearnEntry pass_entry() {
  return {{pass_sweep<Rule>, pass_sweep<Rule>}, {pass_deliver<Rule, uint16_t>, pass_deliver<Rule, uint32_t>}, {pass_arrive, pass_arrive},
          pass_spikes, pass_spikes, pass_hear<Rule>};
}

}  // namespace N4_ISA
}  // namespace neuro4d
