// Synapses that learn. Included once per instruction set, with N4_ISA naming it; `learn.h` says how it works.
#pragma once

#include <cstdint>
#include <cstring>

#include "learn_rows.h"
#include "pass_kernel.h"
#include "rules.h"

namespace neuro4d {
namespace N4_ISA {

// How many traces a rule has.
template <class Rule>
struct Traces {
  static constexpr int64_t kPre = sizeof(Rule::kPre) / sizeof(Field), kPost = count_of(Rule::kPost);
};

template <class Rule, int kVariant>
struct Learns {
  static constexpr int64_t kParams = sizeof(Rule::kParams) / sizeof(Field), kPre = Traces<Rule>::kPre, kPost = Traces<Rule>::kPost;

  explicit Learns(const Delivery& x, const Learning& l, int64_t block) : x(x), l(l), block(block) {
    for (int64_t k = 0; k < kParams; ++k) p[k] = splat(l.params[k]);
    for (int64_t k = 0; k < kPre; ++k) pre_rate[k] = splat(-l.of_pre[k].rate);
    recent = l.recent + block * kRecent * x.block_size;
    older = l.older + block * (l.n_past - kRecent) * x.block_size;
    for (int64_t k = 0; k < kPost; ++k) {
      at_spike[k] = Rule::kPostSeesPost ? l.at_spike[k] + block * l.n_past * x.block_size : nullptr;
      now[k] = l.now[k] + block * x.block_size;
    }
  }

  // Brings a piece up to date: the spikes of its targets after step `base`, each with what was left of the source's trace by then.
  template <typename T>
  void replay(const RowPiece& piece, const T* t, int32_t base) const {
    const int64_t at = piece.delay * x.n_source + piece.source;
    const uint32_t heard = l.heard[at] - l.start, since = l.elapsed(base), period = l.blocks[block].period;
    const F trace = splat(l.pre[0][at] * l.fade.rise[l.fade.within(heard)]);
    if (l.fade.ordered && heard >> l.fade.bits == period && since >> l.fade.bits == period) {
      replay_period(piece, t, trace, l.fade.fall[l.fade.within(since)]);
    } else {
      replay_any(piece, t, trace, heard, base);
    }
  }

  // The same where the last arrival, the last look and the spikes fell into one period: the factors of later spikes are smaller.
  template <typename T>
  void replay_period(const RowPiece& piece, const T* t, F trace, float newest) const {
    const F from = splat(newest);
    float* const weight = l.weight + piece.begin;
    const float* const fresh = l.fresh + block * kRecent * x.block_size;
    each_vector(piece.n, [&](Lanes lanes) N4_INLINE_LAMBDA {
      const Recent<F> last = recent_of<F>(fresh, t, lanes);
      if (none(below(last.of[0], from))) return;
      F w = get<F>(weight, lanes);
      if (!none(below(last.of[kRecent - 1], from))) w = see_older(t, lanes, piece, w, trace, from);
      for (int64_t age = kRecent - 1; age >= 0; --age) {
        const I news = below(last.of[age], from);
        if (Rule::costly(kVariant) && none(news)) continue;  // cheap rules lose more by a jump that cannot be foreseen
        w = select(news, spiked(w, trace * last.of[age], t, lanes, age), w);
      }
      put(weight, w, lanes);
    });
  }

  // Spikes before the last kRecent ones, where there are any.
  template <typename T>
  F see_older(const T* t, Lanes lanes, const RowPiece& piece, F w, F trace, F from) const {
    const I j = ids_of(t, lanes);
    (void)piece;
    F factor[kMostPast];
    int64_t n = 0;
    for (; n < l.n_past - kRecent; ++n) {
      factor[n] = factor_of(gather(older + n * x.block_size, j));
      if (none(below(factor[n], from))) break;
    }
    while (n-- > 0) w = select(below(factor[n], from), spiked(w, trace * factor[n], t, lanes, n + kRecent), w);
    return w;
  }

  // The factor of a step of this period; 2 of any other.
  F factor_of(I step) const {
    const U clock = same_bits<U>(step + splat(static_cast<int32_t>(l.elapsed(0))));
    const U all = same_bits<U>(splat(static_cast<int32_t>(l.fade.mask())));
    const I now = equal(same_bits<I>(clock >> l.fade.bits), splat(static_cast<int32_t>(l.blocks[block].period))) & above(step, splat(0));
    return select(now, gather(l.fade.fall, same_bits<I>(clock & all)), splat(2.0f));
  }

  // The same wherever spikes fell.
  template <typename T>
  void replay_any(const RowPiece& piece, const T* t, F trace, uint32_t heard, int32_t base) const {
    const I from = splat(base);
    const U all = same_bits<U>(splat(static_cast<int32_t>(l.fade.mask()))), begin = same_bits<U>(splat(static_cast<int32_t>(heard & ~l.fade.mask())));
    float* const weight = l.weight + piece.begin;
    each_vector(piece.n, [&](Lanes lanes) N4_INLINE_LAMBDA {
      const Recent<I> last = recent_of<I>(recent, t, lanes);
      if (none(above(last.of[0], from))) return;
      F w = get<F>(weight, lanes);
      const auto see = [&](I step, int64_t age) N4_INLINE_LAMBDA {
        const U clock = same_bits<U>(step + splat(static_cast<int32_t>(l.elapsed(0))));
        const F left = trace * gather(l.fade.fall, same_bits<I>(clock & all));
        const F between = fading_f32(floats_of(same_bits<I>(((clock & ~all) - begin) >> l.fade.bits)) * splat(-l.fade.whole));
        w = select(above(step, from), spiked(w, left * between, t, lanes, age), w);
      };
      if (!none(above(last.of[kRecent - 1], from))) {
        const I j = ids_of(t, lanes);
        I spike[kMostPast];
        int64_t n = 0;
        for (; n < l.n_past - kRecent; ++n) {
          spike[n] = gather(older + n * x.block_size, j);
          if (none(above(spike[n], from))) break;
        }
        while (n-- > 0) see(spike[n], n + kRecent);
      }
      for (int64_t age = kRecent - 1; age >= 0; --age) {
        if (!none(above(last.of[age], from))) see(last.of[age], age);
      }
      put(weight, w, lanes);
    });
  }

  // Weights after a spike of their targets, which saw `left` of the trace of the source.
  template <typename T>
  N4_INLINE F spiked(F w, F left, const T* t, Lanes lanes, int64_t age) const {
    F before[kPre], after[kPost];
    for (int64_t k = 0; k < kPre; ++k) before[k] = k == 0 ? left : F{};
    for (int64_t k = 0; k < kPost; ++k) after[k] = Rule::kPostSeesPost ? gather(at_spike[k] + age * x.block_size, ids_of(t, lanes)) : F{};
    return Rule::template on_post<kVariant>(p, w, before, after);
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
    for (int64_t k = 0; k < kPre; ++k) before[k] = splat(l.pre[k][at]) * fading_f32(steps * pre_rate[k]);
    F fall[kPost];
    for (int64_t k = 0; k < kPost; ++k) fall[k] = splat(l.fade_post[k].fall[l.fade_post[k].within(l.elapsed(step))]);
    float* const weight = l.weight + piece.begin;
    each_vector(piece.n, [&](Lanes lanes) N4_INLINE_LAMBDA {
      const I j = ids_of(t, lanes);
      F after[kPost];
      for (int64_t k = 0; k < kPost; ++k) after[k] = gather(now[k], j) * fall[k];
      put(weight, Rule::template on_pre<kVariant>(p, get<F>(weight, lanes), before, after), lanes);
    });
  }

  const Delivery& x;
  const Learning& l;
  const int64_t block;
  const int32_t *recent, *older;
  const float* at_spike[kPost];
  const float* now[kPost];
  F p[kParams], pre_rate[kPre];
};

template <class Rule, int kVariant, typename T>
Failure learn_sweep(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  Failure failure;
  BlockPast& past_of = l.blocks[block];
  if (past_of.last > past_of.swept) {
    const Learns<Rule, kVariant> learns(x, l, block);
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
        if (piece.n > 0 && base < past_of.last && targets_fit(x, t, piece, &failure)) learns.replay(piece, t, base);
      }
    }
  }
  past_of.swept = step;
  past_of.full = false;
  return failure;
}

template <class Rule, int kVariant, typename T>
Failure learn_deliver(const Delivery& x, const Learning& l, int64_t block, int32_t) {
  const Learns<Rule, kVariant> learns(x, l, block);
  float* const acc = static_cast<float*>(x.acc) + block * x.block_size;
  const int32_t last = l.blocks[block].last;
  return each_arrival<T>(x, l, block, [&](const RowPiece& piece, const T* t) {
    const int32_t base = learns.base_of(piece);
    if (base < last) learns.replay(piece, t, base);
    add_each(acc, t, piece.n, static_cast<const float*>(l.weight + piece.begin));
  });
}

// The traces of all targets of a block, but for the factor of the step: made anew when a period begins, and at spikes.
template <class Rule>
void know_traces(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  const int64_t low = block * l.width, n = l.n_target - low < l.width ? l.n_target - low : l.width;
  for (int64_t k = 0; k < Traces<Rule>::kPost; ++k) {
    const FadeTable& fade = l.fade_post[k];
    const uint32_t period = l.elapsed(step) >> fade.bits;
    if (l.blocks[block].now_period[k] == period) continue;
    l.blocks[block].now_period[k] = period;
    float* const now = l.now[k] + block * x.block_size;
    const U all = same_bits<U>(splat(static_cast<int32_t>(fade.mask()))), begin = same_bits<U>(splat(static_cast<int32_t>(l.elapsed(step) & ~fade.mask())));
    each_vector(n, [&](Lanes at) N4_INLINE_LAMBDA {
      const U fired = get<U>(l.fired + low, at) - same_bits<U>(splat(static_cast<int32_t>(l.start)));
      const F between = fading_f32(floats_of(same_bits<I>((begin - (fired & ~all)) >> fade.bits)) * splat(-fade.whole));
      put(now, get<F>(l.post[k] + low, at) * gather(fade.rise, same_bits<I>(fired & all)) * between, at);
    });
    for (int64_t port = 1; port < l.n_ports; ++port) std::memcpy(now + port * l.width, now, static_cast<size_t>(n) * sizeof(float));
  }
}

template <class Rule, int kVariant, typename T>
Failure learn_arrive(const Delivery& x, const Learning& l, int64_t block, int32_t step) {
  if (x.n_spikes == 0) return Failure{};
  know_traces<Rule>(x, l, block, step);
  const Learns<Rule, kVariant> learns(x, l, block);
  const bool fired = l.blocks[block].last == step;
  return each_arrival<T>(x, l, block, [&](const RowPiece& piece, const T* t) {
    if (fired) learns.replay(piece, t, step - 1);
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
  return l.post[trace][neuron] * first(fading_f32(splat(steps) * splat(-l.of_post[trace].rate)));
}

// Moves all numbers of a target by one age and puts the newest in front.
template <typename V>
inline void push_front(V* first, int64_t n, int64_t stride, V newest) {
  for (int64_t age = n - 1; age > 0; --age) first[age * stride] = first[(age - 1) * stride];
  if (n > 0) first[0] = newest;
}

template <class Rule>
void learn_fire(const Delivery& x, const Learning& l, int64_t block, int32_t step, const uint32_t* words) {
  BlockPast& past_of = l.blocks[block];
  const uint32_t clock = l.elapsed(step);
  int32_t* const recent = l.recent + block * kRecent * x.block_size;
  float* const fresh = l.fresh + block * kRecent * x.block_size;
  const int64_t n_older = l.n_past - kRecent;
  int32_t* const older = l.older + block * n_older * x.block_size;
  each_fired(l, block, words, [&](int64_t j) {
    if (past_of.period != clock >> l.fade.bits) {
      past_of.period = clock >> l.fade.bits;
      for (int64_t k = 0; k < kRecent * x.block_size; ++k) fresh[k] = 2.0f;
    }
    for (int64_t port = 0; port < l.n_ports; ++port) {
      const int64_t at = port * l.width + j;
      push_front(older + at, n_older, x.block_size, recent[at * kRecent + kRecent - 1]);
      push_front(recent + at * kRecent, kRecent, 1, step);
      push_front(fresh + at * kRecent, kRecent, 1, l.fade.fall[l.fade.within(clock)]);
      for (int64_t k = 0; Rule::kPostSeesPost && k < Traces<Rule>::kPost; ++k) {
        push_front(l.at_spike[k] + block * l.n_past * x.block_size + at, l.n_past, x.block_size, left_of(l, k, block * l.width + j, step));
      }
    }
    past_of.last = step;
    const int32_t oldest = n_older > 0 ? older[(n_older - 1) * x.block_size + j] : recent[j * kRecent + kRecent - 1];
    past_of.full = past_of.full || oldest > past_of.swept;
  });
}

template <class Rule>
void learn_enter(const Delivery& x, const Learning& l, int64_t block, int32_t step, const uint32_t* words) {
  if (l.blocks[block].last != step) return;
  const uint32_t clock = l.elapsed(step);
  each_fired(l, block, words, [&](int64_t j) {
    const int64_t neuron = block * l.width + j;
    for (int64_t k = 0; k < Traces<Rule>::kPost; ++k) {
      const FadeTable& fade = l.fade_post[k];
      const float after = l.of_post[k].nearest ? 1.0f : left_of(l, k, neuron, step) + 1.0f;
      l.post[k][neuron] = after;
      if (l.blocks[block].now_period[k] != clock >> fade.bits) continue;  // made anew before it is read
      for (int64_t port = 0; port < l.n_ports; ++port) l.now[k][block * x.block_size + port * l.width + j] = after * fade.rise[fade.within(clock)];
    }
    l.fired[neuron] = clock + l.start;
  });
}

template <class Rule>
void learn_hear(const Delivery& x, const Learning& l, int32_t step) {
  each_heard(x, l, step, [&](int64_t at) {
    const F steps = splat(static_cast<float>(step - l.in_call(l.heard[at])));
    for (int64_t k = 0; k < Traces<Rule>::kPre; ++k) {
      l.pre[k][at] = l.of_pre[k].nearest ? 1.0f : first(splat(l.pre[k][at]) * fading_f32(steps * splat(-l.of_pre[k].rate))) + 1.0f;
    }
  });
}

template <class Rule, int kWanted>
constexpr LearnEntry learn_entry() {
  if constexpr (Rule::kPassing) {
    return pass_entry<Rule>();
  } else {
    constexpr int kVariant = kWanted < Rule::kVariants ? kWanted : 0;
    return {{learn_sweep<Rule, kVariant, uint16_t>, learn_sweep<Rule, kVariant, uint32_t>},
            {learn_deliver<Rule, kVariant, uint16_t>, learn_deliver<Rule, kVariant, uint32_t>},
            {learn_arrive<Rule, kVariant, uint16_t>, learn_arrive<Rule, kVariant, uint32_t>},
            learn_fire<Rule>,
            learn_enter<Rule>,
            learn_hear<Rule>};
  }
}

#define N4_ENTRY(name, type) {type::variant, {learn_entry<type, 0>(), learn_entry<type, 1>(), learn_entry<type, 2>()}},
constexpr LearnRule kLearnRules[] = {N4_RULES(N4_ENTRY)};
#undef N4_ENTRY

}  // namespace N4_ISA
}  // namespace neuro4d
