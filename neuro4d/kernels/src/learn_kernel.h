// Synapses that learn. Included once per instruction set, with N4_ISA naming it; `learn.h` says how it works.
#pragma once

#include <cstdint>
#include <cstring>

#include "deliver_kernel.h"
#include "learn.h"
#include "prefetch.h"
#include "rules.h"
#include "vectors.h"

namespace neuro4d {
namespace N4_ISA {

// Entries `index` of a table; lanes that are not used have to hold a valid index.
N4_INLINE I gather(const int32_t* table, I index) {
#if defined(__AVX512F__)
  return same_bits<I>(_mm512_i32gather_epi32(same_bits<__m512i>(index), table, 4));
#elif defined(__AVX2__)
  return same_bits<I>(_mm256_i32gather_epi32(table, same_bits<__m256i>(index), 4));
#else
  int32_t at[kLanes], out[kLanes];
  store(at, index);
  for (int64_t k = 0; k < kLanes; ++k) out[k] = table[at[k]];
  return load<I>(out);
#endif
}

N4_INLINE F gather(const float* table, I index) { return same_bits<F>(gather(reinterpret_cast<const int32_t*>(table), index)); }

// Ids of targets as whole numbers of 32 bits; those beyond `n` are 0.
N4_INLINE I ids_of(const uint32_t* t, Lanes at) { return get<I>(t, at); }

N4_INLINE I ids_of(const uint16_t* t, Lanes at) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const __mmask16 used = static_cast<__mmask16>((1u << at.n) - 1);
  return same_bits<I>(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(used, t + at.j)));
#else
  int32_t out[kLanes] = {};
  for (int64_t k = 0; k < at.n; ++k) out[k] = t[at.j + k];
  return load<I>(out);
#endif
}

// The piece of a row for a block: edges begin .. begin + n - 1, and where its traces lie.
struct RowPiece {
  uint64_t begin;
  int64_t n;
  int64_t delay, source;
};

// Finds the piece of a source and a delay; false where its bounds contradict each other.
inline bool piece_of(const Delivery& x, int64_t block, int64_t delay, int64_t source, RowPiece* out) {
  const uint64_t begin = x.start[source * 2] | (static_cast<uint64_t>(x.start[source * 2 + 1]) << 32);
  const uint32_t* const bounds = x.bounds + source * (x.n_delays * x.n_blocks + 1) + delay * x.n_blocks + block;
  *out = {begin + bounds[0], static_cast<int64_t>(bounds[1]) - static_cast<int64_t>(bounds[0]), delay, source};
  return out->n >= 0 && begin <= x.n_edges && bounds[1] <= x.n_edges - begin;
}

inline void complain(Failure* failure, const Delivery& x, Wrong wrong, const RowPiece& piece, int64_t value) {
  if (failure->wrong == Wrong::kNone) *failure = Failure{wrong, x.delays[piece.delay], piece.source, value};
}

// Whether all targets of a piece lie inside the block.
template <typename T>
inline bool targets_fit(const Delivery& x, const T* t, const RowPiece& piece, Failure* failure) {
  const int64_t beyond = first_beyond(t, piece.n, x.block_size);
  if (beyond >= 0) complain(failure, x, Wrong::kTarget, piece, static_cast<int64_t>(t[beyond]));
  return beyond < 0;
}

// Calls visit(piece, targets) for what arrives at a block in this step, in the order in which it is delivered. The bounds of a piece are asked for
// kFar pieces ahead, its synapses kNear pieces ahead.
template <typename T, typename Visit>
inline Failure each_arrival(const Delivery& x, const Learning& l, int64_t block, const Visit& visit) {
  Failure failure;
  Cursor cursor(x);
  RowPiece queue[kQueue];
  const T* const targets = static_cast<const T*>(x.targets);
  const int64_t total = x.n_spikes;
  auto look_ahead = [&](int64_t i) {
    RowPiece& piece = queue[i & (kQueue - 1)];
    cursor.next(&piece.delay, &piece.source);
    if (static_cast<uint64_t>(piece.source) >= static_cast<uint64_t>(x.n_source)) return;
    N4_PREFETCH(x.start + piece.source * 2);
    N4_PREFETCH(x.bounds + piece.source * (x.n_delays * x.n_blocks + 1) + piece.delay * x.n_blocks + block);
    N4_PREFETCH(l.heard + piece.delay * x.n_source + piece.source);
    N4_PREFETCH(l.pre[0] + piece.delay * x.n_source + piece.source);
  };
  auto resolve = [&](int64_t i) {
    RowPiece& piece = queue[i & (kQueue - 1)];
    if (static_cast<uint64_t>(piece.source) >= static_cast<uint64_t>(x.n_source)) {
      complain(&failure, x, Wrong::kSource, piece, piece.source);
      piece.n = 0;
      return;
    }
    if (!piece_of(x, block, piece.delay, piece.source, &piece)) {
      complain(&failure, x, Wrong::kSegment, piece, static_cast<int64_t>(piece.begin) + piece.n);
      piece.n = 0;
      return;
    }
    prefetch_head(targets + piece.begin, piece.n);
    prefetch_head(l.weight + piece.begin, piece.n);
  };
  for (int64_t i = 0; i < kFar && i < total; ++i) look_ahead(i);
  for (int64_t i = 0; i < kNear && i < total; ++i) resolve(i);
  for (int64_t i = 0; i < total; ++i) {
    if (i + kFar < total) look_ahead(i + kFar);
    if (i + kNear < total) resolve(i + kNear);
    const RowPiece& piece = queue[i & (kQueue - 1)];
    const T* const t = targets + piece.begin;
    if (piece.n > 0 && targets_fit(x, t, piece, &failure)) visit(piece, t);
  }
  return failure;
}

template <class Rule>
struct Learns {
  static constexpr int64_t kParams = sizeof(Rule::kParams) / sizeof(Field);
  static constexpr int64_t kPre = sizeof(Rule::kPre) / sizeof(Field), kPost = sizeof(Rule::kPost) / sizeof(Field);

  explicit Learns(const Delivery& x, const Learning& l, int64_t block) : x(x), l(l), block(block) {
    for (int64_t k = 0; k < kParams; ++k) p[k] = splat(l.params[k]);
    for (int64_t k = 0; k < kPre; ++k) pre_rate[k] = splat(-l.of_pre[k].rate);
    past = l.past + block * l.n_past * x.block_size;
    for (int64_t k = 0; k < kPost; ++k) {
      at_spike[k] = Rule::kPostSeesPost ? l.at_spike[k] + block * l.n_past * x.block_size : nullptr;
      now[k] = l.now[k] + block * x.block_size;
    }
  }

  // Brings a piece up to date: the spikes of its targets after step `base`, each with what was left of the source's traces by then.
  template <typename T>
  void replay(const RowPiece& piece, const T* t, int64_t n, int32_t base) const {
    const int64_t at = piece.delay * x.n_source + piece.source;
    F trace[kPre];
    for (int64_t k = 0; k < kPre; ++k) trace[k] = splat(l.pre[k][at]);
    const I heard = splat(l.in_call(l.heard[at])), from = splat(base);
    float* const weight = l.weight + piece.begin;
    each_vector(n, [&](Lanes lanes) N4_INLINE_LAMBDA {
      const I j = ids_of(t, lanes);
      I spike[kMostPast];
      spike[0] = gather(past, j);
      if (none(above(spike[0], from))) return;
      int64_t depth = 1;
      for (; depth < l.n_past; ++depth) {
        spike[depth] = gather(past + depth * x.block_size, j);
        if (none(above(spike[depth], from))) break;
      }
      F w = get<F>(weight, lanes);
      while (depth-- > 0) {
        const F steps = floats_of(spike[depth] - heard);
        F before[kPre], after[kPost];
        for (int64_t k = 0; k < kPre; ++k) before[k] = trace[k] * exp_f32(steps * pre_rate[k]);
        for (int64_t k = 0; k < kPost; ++k) after[k] = Rule::kPostSeesPost ? gather(at_spike[k] + depth * x.block_size, j) : F{};
        w = select(above(spike[depth], from), Rule::on_post(p, w, before, after), w);
      }
      put(weight, w, lanes);
    });
  }

  // After which step spikes of targets are news for a piece.
  int32_t base_of(const RowPiece& piece) const {
    const int32_t heard = l.in_call(l.heard[piece.delay * x.n_source + piece.source]), swept = l.blocks[block].swept;
    return heard > swept ? heard : swept;
  }

  // What an arrival in step `step` does to a piece.
  template <typename T>
  void arrive(const RowPiece& piece, const T* t, int32_t step) const {
    const int64_t at = piece.delay * x.n_source + piece.source;
    const F steps = splat(static_cast<float>(step - l.in_call(l.heard[at])));
    F before[kPre];
    for (int64_t k = 0; k < kPre; ++k) before[k] = splat(l.pre[k][at]) * exp_f32(steps * pre_rate[k]);
    float* const weight = l.weight + piece.begin;
    each_vector(piece.n, [&](Lanes lanes) N4_INLINE_LAMBDA {
      const I j = ids_of(t, lanes);
      F after[kPost];
      for (int64_t k = 0; k < kPost; ++k) after[k] = gather(now[k], j);
      put(weight, Rule::on_pre(p, get<F>(weight, lanes), before, after), lanes);
    });
  }

  const Delivery& x;
  const Learning& l;
  const int64_t block;
  const int32_t* past;
  const float* at_spike[kPost];
  const float* now[kPost];
  F p[kParams], pre_rate[kPre];
};

template <class Rule, typename T>
Failure learn_sweep(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  Failure failure;
  BlockPast& past_of = l.blocks[block];
  if (past_of.last > past_of.swept) {
    const Learns<Rule> learns(x, l, block);
    const T* const targets = static_cast<const T*>(x.targets);
    for (int64_t source = 0; source < x.n_source; ++source) {
      for (int64_t delay = 0; delay < x.n_delays; ++delay) {
        RowPiece piece;
        if (!piece_of(x, block, delay, source, &piece)) {
          complain(&failure, x, Wrong::kSegment, piece, static_cast<int64_t>(piece.begin) + piece.n);
          continue;
        }
        const int32_t base = learns.base_of(piece);
        const T* const t = targets + piece.begin;
        if (piece.n > 0 && base < past_of.last && targets_fit(x, t, piece, &failure)) learns.replay(piece, t, piece.n, base);
      }
    }
  }
  past_of.swept = step;
  past_of.full = false;
  return failure;
}

template <class Rule, typename T>
Failure learn_deliver(const Delivery& x, const Learning& l, int64_t block, int32_t) {
  const Learns<Rule> learns(x, l, block);
  float* const acc = static_cast<float*>(x.acc) + block * x.block_size;
  const int32_t last = l.blocks[block].last;
  return each_arrival<T>(x, l, block, [&](const RowPiece& piece, const T* t) {
    const int32_t base = learns.base_of(piece);
    if (base < last) learns.replay(piece, t, piece.n, base);
    add_each(acc, t, piece.n, static_cast<const float*>(l.weight + piece.begin));
  });
}

// The traces of all targets of a block in a step, for every port.
template <class Rule>
void fade_now(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  const int64_t low = block * l.width, n = l.n_target - low < l.width ? l.n_target - low : l.width;
  const uint32_t clock = l.first_step + static_cast<uint32_t>(step - 1);
  for (int64_t k = 0; k < Learns<Rule>::kPost; ++k) {
    float* const now = l.now[k] + block * x.block_size;
    const F rate = splat(-l.of_post[k].rate);
    each_vector(n, [&](Lanes at) N4_INLINE_LAMBDA {
      const U since = same_bits<U>(splat(static_cast<int32_t>(clock))) - get<U>(l.fired + low, at);
      const F steps = floats_of(same_bits<I>(since >> 1)) * splat(2.0f) + floats_of(same_bits<I>(since & 1u));
      put(now, get<F>(l.post[k] + low, at) * exp_f32(steps * rate), at);
    });
    for (int64_t port = 1; port < l.n_ports; ++port) std::memcpy(now + port * l.width, now, static_cast<size_t>(n) * sizeof(float));
  }
}

template <class Rule, typename T>
Failure learn_arrive(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  if (x.n_spikes == 0) return Failure{};
  fade_now<Rule>(x, l, block, step);
  const Learns<Rule> learns(x, l, block);
  const bool fired = l.blocks[block].last == step;
  return each_arrival<T>(x, l, block, [&](const RowPiece& piece, const T* t) {
    if (fired) learns.replay(piece, t, piece.n, step - 1);
    learns.arrive(piece, t, step);
  });
}

// Calls body(j) for the neurons of a block that fired, counted from its first.
template <typename Body>
inline void each_fired(const Learning& l, int64_t block, const uint32_t* words, const Body& body) {
  const int64_t low = block * l.width, high = low + l.width < l.n_target ? low + l.width : l.n_target;
  for (int64_t k = low / 32; k * 32 < high; ++k) {
    for (uint32_t word = words[k]; word != 0; word &= word - 1) {
      int64_t bit = 0;
      for (uint32_t rest = word; (rest & 1u) == 0; rest >>= 1) ++bit;
      body(32 * k + bit - low);
    }
  }
}

// What is left of a trace of a target in a step.
inline float left_of(const Learning& l, int64_t trace, int64_t neuron, int32_t step) {
  const uint32_t since = l.first_step + static_cast<uint32_t>(step - 1) - l.fired[neuron];
  const float steps = static_cast<float>(static_cast<int32_t>(since >> 1)) * 2.0f + static_cast<float>(static_cast<int32_t>(since & 1u));
  return l.post[trace][neuron] * first(exp_f32(splat(steps) * splat(-l.of_post[trace].rate)));
}

template <class Rule>
void learn_fire(const Delivery& x, const Learning& l, int64_t block, int32_t step, const uint32_t* words) {
  BlockPast& past_of = l.blocks[block];
  int32_t* const past = l.past + block * l.n_past * x.block_size;
  each_fired(l, block, words, [&](int64_t j) {
    for (int64_t port = 0; port < l.n_ports; ++port) {
      const int64_t at = port * l.width + j;
      for (int64_t age = l.n_past - 1; age > 0; --age) past[age * x.block_size + at] = past[(age - 1) * x.block_size + at];
      past[at] = step;
      for (int64_t k = 0; Rule::kPostSeesPost && k < Learns<Rule>::kPost; ++k) {
        float* const saw = l.at_spike[k] + block * l.n_past * x.block_size;
        for (int64_t age = l.n_past - 1; age > 0; --age) saw[age * x.block_size + at] = saw[(age - 1) * x.block_size + at];
        saw[at] = left_of(l, k, block * l.width + j, step);
      }
    }
    past_of.last = step;
    past_of.full = past_of.full || past[(l.n_past - 1) * x.block_size + j] > past_of.swept;
  });
}

template <class Rule>
void learn_enter(const Delivery&, const Learning& l, int64_t block, int32_t step, const uint32_t* words) {
  if (l.blocks[block].last != step) return;
  each_fired(l, block, words, [&](int64_t j) {
    const int64_t neuron = block * l.width + j;
    for (int64_t k = 0; k < Learns<Rule>::kPost; ++k) l.post[k][neuron] = l.of_post[k].nearest ? 1.0f : left_of(l, k, neuron, step) + 1.0f;
    l.fired[neuron] = l.first_step + static_cast<uint32_t>(step - 1);
  });
}

template <class Rule>
void learn_hear(const Delivery& x, const Learning& l, int32_t step) {
  const uint32_t clock = l.first_step + static_cast<uint32_t>(step - 1);
  for (int64_t d = 0; d < x.n_delays; ++d) {
    const int64_t slot = (clock - static_cast<uint32_t>(x.delays[d])) & static_cast<uint32_t>(x.depth - 1);
    for (int64_t i = 0; i < x.count[slot]; ++i) {
      const int64_t source = x.ids[slot * x.n_ids + i];
      if (static_cast<uint64_t>(source) >= static_cast<uint64_t>(x.n_source)) continue;
      const int64_t at = d * x.n_source + source;
      const F steps = splat(static_cast<float>(step - l.in_call(l.heard[at])));
      for (int64_t k = 0; k < Learns<Rule>::kPre; ++k) {
        l.pre[k][at] = l.of_pre[k].nearest ? 1.0f : first(splat(l.pre[k][at]) * exp_f32(steps * splat(-l.of_pre[k].rate))) + 1.0f;
      }
      l.heard[at] = clock;
    }
  }
}

template <class Rule>
constexpr LearnEntry learn_entry() {
  return {{learn_sweep<Rule, uint16_t>, learn_sweep<Rule, uint32_t>},
          {learn_deliver<Rule, uint16_t>, learn_deliver<Rule, uint32_t>},
          {learn_arrive<Rule, uint16_t>, learn_arrive<Rule, uint32_t>},
          learn_fire<Rule>,
          learn_enter<Rule>,
          learn_hear<Rule>};
}

#define N4_ENTRY(name, type) learn_entry<type>(),
constexpr LearnEntry kLearnEntries[] = {N4_RULES(N4_ENTRY)};
#undef N4_ENTRY

}  // namespace N4_ISA
}  // namespace neuro4d
