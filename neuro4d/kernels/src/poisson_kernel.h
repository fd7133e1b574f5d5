// Poisson input by table inversion of one random word per neuron. Included once per instruction set, with N4_ISA naming it.
#pragma once

#include <cstdint>

#include "program.h"
#include "vectors.h"
#include "words.h"

namespace neuro4d {
namespace N4_ISA {

struct Piece {
  int64_t first;  // neuron of the group
  int64_t n;
};

// Counts of Poisson input number `segment` for neurons whose words have the indices local .. local + n - 1.
struct Draw {
  uint32_t a, b;
  const uint32_t* thresholds;
  int64_t length;
  int64_t n_common;  // the first so many thresholds are reached by at least one word in a hundred
  float weight;
};

inline Draw draw_of(const Clock& x, const PoissonInput& input, const uint32_t* thresholds, int64_t segment) {
  const auto [a, b] = address_of(x, input.a0[segment], input.b0[segment]);
  int64_t length = 0, n_common = 0;  // from a threshold of 0 on all are
  constexpr uint32_t kRare = 0xFD70A3D7u;  // 0.99 * 2^32
  while (length < input.length && thresholds[length] != 0) n_common += thresholds[length++] < kRare ? 1 : 0;
  return {a, b, thresholds, length, n_common, input.weight[segment]};
}

// Counts one in each lane whose word reaches the bound; returns whether any did.
inline bool count_lanes(I* count, U word, uint32_t bound) {
#if defined(__AVX512F__)
  const __m512i x = same_bits<__m512i>(word), held = same_bits<__m512i>(*count);
  const __mmask16 reached = _mm512_cmpge_epu32_mask(x, _mm512_set1_epi32(static_cast<int>(bound)));
  *count = same_bits<I>(_mm512_mask_add_epi32(held, reached, held, _mm512_set1_epi32(1)));
  return reached != 0;
#elif defined(__AVX2__)
  const __m256i x = same_bits<__m256i>(word);
  const __m256i reached = _mm256_cmpeq_epi32(_mm256_max_epu32(x, _mm256_set1_epi32(static_cast<int>(bound))), x);
  *count = *count - same_bits<I>(reached);
  return _mm256_testz_si256(reached, reached) == 0;
#else
  uint32_t words[kLanes];
  int32_t counts[kLanes];
  store(words, word);
  store(counts, *count);
  bool any = false;
  for (int64_t k = 0; k < kLanes; ++k) {
    counts[k] += words[k] >= bound ? 1 : 0;
    any |= words[k] >= bound;
  }
  *count = load<I>(counts);
  return any;
#endif
}

// The counts of Vectors vectors of words. Thresholds that words often reach are compared without a question, the others until
// none of the words reaches one.
template <int Vectors>
inline void count_words(const Draw& d, uint32_t local, I* count) {
  U word[Vectors];
  for (int k = 0; k < Vectors; ++k) {
    word[k] = words_of(local + static_cast<uint32_t>(k * kLanes), d);
    count[k] = I{};
  }
  int64_t t = 0;
  for (; t < d.n_common; ++t) {
    for (int k = 0; k < Vectors; ++k) count_lanes(&count[k], word[k], d.thresholds[t]);
  }
  for (; t < d.length; ++t) {
    bool any = false;
    for (int k = 0; k < Vectors; ++k) any |= count_lanes(&count[k], word[k], d.thresholds[t]);
    if (!any) break;
  }
}

inline void add_poisson(const Draw& d, uint32_t local, int64_t n, float* arrivals) {
  constexpr int kAtOnce = 4;
  int64_t j = 0;
  I count[kAtOnce];
  for (; j + kAtOnce * kLanes <= n; j += kAtOnce * kLanes) {
    count_words<kAtOnce>(d, local + static_cast<uint32_t>(j), count);
    for (int64_t k = 0; k < kAtOnce; ++k) {
      float* const out = arrivals + j + k * kLanes;
      store(out, load<F>(out) + floats_of(count[k]) * splat(d.weight));
    }
  }
  for (; j < n; j += kLanes) {
    count_words<1>(d, local + static_cast<uint32_t>(j), count);
    const F more = floats_of(count[0]) * splat(d.weight);
    if (n - j >= kLanes) {
      store(arrivals + j, load<F>(arrivals + j) + more);
    } else {
      store(arrivals + j, load<F>(arrivals + j, n - j) + more, n - j);
    }
  }
}

// Neurons with a mean or a weight each: segments from `segment` on, whose thresholds lie side by side.
inline void add_poisson_each(const Clock& x, const PoissonInput& input, const uint32_t* thresholds, int64_t first_of_run, int64_t local, int64_t n,
                             float* arrivals) {
  const int64_t segment = first_of_run + local;
  const Address address = address_of(x, input.a0[first_of_run], input.b0[first_of_run]);  // a run has one address
  each_vector(n, [&](Lanes at) N4_INLINE_LAMBDA {
    const U word = words_of(static_cast<uint32_t>(local + at.j), address);
    I count{};
    for (int64_t t = 0; t < input.length; ++t) {
      const U bound = get<U>(thresholds + t * input.segments + segment, at);
      const I reached = at_least(word, bound) & differ(bound, U{});
      if (none(reached)) break;
      count = count - reached;
    }
    put(arrivals, get<F>(arrivals, at) + floats_of(count) * get<F>(input.weight + segment, at), at);
  });
}

// Segments that neurons share, where those of other runs lie side by side: their thresholds are gathered first.
inline void add_poisson_shared(const Clock& x, const PoissonInput& input, const uint32_t* thresholds, int64_t segment, int64_t local, int64_t n,
                               float* arrivals) {
  uint32_t own[kMostThresholds];
  if (input.each) {
    for (int64_t t = 0; t < input.length; ++t) own[t] = thresholds[t * input.segments + segment];
  }
  add_poisson(draw_of(x, input, input.each ? own : thresholds + segment * input.length, segment), static_cast<uint32_t>(local), n, arrivals);
}

// Poisson arrivals for the neurons of a piece; runs ascend and do not overlap.
inline void add_poisson_input(const Clock& x, const PoissonInput& input, const Piece& piece, float* arrivals) {
  const int64_t row = input.hold == 0 ? 0 : static_cast<int64_t>(x.elapsed) / input.hold;
  if (row >= input.n_rows) return;
  const uint32_t* const thresholds = input.thresholds + row * input.segments * input.length;
  for (int64_t r = 0; r < input.n_runs; ++r) {
    const PoissonRun& run = input.runs[r];
    const int64_t low = run.first > piece.first ? run.first : piece.first;
    const int64_t run_end = static_cast<int64_t>(run.first) + run.size, piece_end = piece.first + piece.n;
    const int64_t high = run_end < piece_end ? run_end : piece_end;
    if (low >= high) continue;
    const int64_t local = low - run.first;
    float* out = arrivals + (low - piece.first);
    if (run.stride == 0) {
      add_poisson_shared(x, input, thresholds, run.segment, local, high - low, out);
    } else {
      add_poisson_each(x, input, thresholds, run.segment, local, high - low, out);
    }
  }
}

}  // namespace N4_ISA
}  // namespace neuro4d
