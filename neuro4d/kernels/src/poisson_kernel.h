// Poisson input by table inversion of one random word per neuron. Included once per instruction set, with N4_ISA naming it.
#pragma once

#include <cstdint>

#include "program.h"
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

inline Draw draw_of(const Clock& x, const PoissonInput& input, int64_t segment) {
  const auto [a, b] = address_of(x, input.a0[segment], input.b0[segment]);
  const uint32_t* thresholds = input.thresholds + segment * input.length;
  int64_t length = 0, n_common = 0;  // a threshold of 0 stands for 2^32, which no word reaches; from there on all do
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

// Poisson arrivals for the neurons of a piece; runs ascend and do not overlap.
inline void add_poisson_input(const Clock& x, const PoissonInput& input, const Piece& piece, float* arrivals) {
  for (int64_t r = 0; r < input.n_runs; ++r) {
    const PoissonRun& run = input.runs[r];
    const int64_t low = run.first > piece.first ? run.first : piece.first;
    const int64_t run_end = static_cast<int64_t>(run.first) + run.size, piece_end = piece.first + piece.n;
    const int64_t high = run_end < piece_end ? run_end : piece_end;
    if (low >= high) continue;
    const int64_t local = low - run.first;
    float* out = arrivals + (low - piece.first);
    if (run.stride == 0) {
      add_poisson(draw_of(x, input, run.segment), static_cast<uint32_t>(local), high - low, out);
      continue;
    }
    for (int64_t j = 0; j < high - low; ++j) {
      const Draw d = draw_of(x, input, run.segment + local + j);
      add_poisson(d, static_cast<uint32_t>(local + j), 1, out + j);
    }
  }
}

}  // namespace N4_ISA
}  // namespace neuro4d
