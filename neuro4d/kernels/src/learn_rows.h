// Rows of synapses that learn, and what is known of the last spikes of their targets. Included once per instruction set, with N4_ISA naming it.
#pragma once

#include <cstdint>
#include <cstring>

#include "deliver_kernel.h"
#include "learn.h"
#include "prefetch.h"
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
#elif defined(__AVX2__)
  if (at.n == kLanes) return same_bits<I>(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(t + at.j))));
#endif
  int32_t out[kLanes] = {};
  for (int64_t k = 0; k < at.n; ++k) out[k] = t[at.j + k];
  return load<I>(out);
}

// What lies together of the last spikes of some targets, one vector for the last, one for that before, and so on.
template <typename V>
struct Recent {
  V of[kRecent];
};

#if defined(__AVX2__)
// Of eight targets: four numbers lie together, so that they are loaded at once and then turned.
template <typename N, typename T>
N4_INLINE void recent_of_eight(const N* recent, const T* t, __m256i* out) {
  const auto four = [&](int64_t k) N4_INLINE_LAMBDA { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(recent + kRecent * t[k])); };
  const __m256i a = _mm256_set_m128i(four(4), four(0)), b = _mm256_set_m128i(four(5), four(1));
  const __m256i c = _mm256_set_m128i(four(6), four(2)), d = _mm256_set_m128i(four(7), four(3));
  const __m256i low = _mm256_unpacklo_epi32(a, b), high = _mm256_unpackhi_epi32(a, b);
  const __m256i low2 = _mm256_unpacklo_epi32(c, d), high2 = _mm256_unpackhi_epi32(c, d);
  out[0] = _mm256_unpacklo_epi64(low, low2);
  out[1] = _mm256_unpackhi_epi64(low, low2);
  out[2] = _mm256_unpacklo_epi64(high, high2);
  out[3] = _mm256_unpackhi_epi64(high, high2);
}
#endif

template <typename V, typename N, typename T>
N4_INLINE Recent<V> recent_of(const N* recent, const T* t) {
  Recent<V> found;
#if defined(__AVX512F__)
  __m256i low[kRecent], high[kRecent];
  recent_of_eight(recent, t, low);
  recent_of_eight(recent, t + 8, high);
  for (int64_t k = 0; k < kRecent; ++k) found.of[k] = same_bits<V>(_mm512_inserti64x4(_mm512_castsi256_si512(low[k]), high[k], 1));
#elif defined(__AVX2__)
  __m256i all[kRecent];
  recent_of_eight(recent, t, all);
  for (int64_t k = 0; k < kRecent; ++k) found.of[k] = same_bits<V>(all[k]);
#else
  for (int64_t k = 0; k < kRecent; ++k) {
    N out[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane) out[lane] = recent[kRecent * t[lane] + k];
    found.of[k] = load<V>(out);
  }
#endif
  return found;
}

template <typename V, typename N, typename T>
N4_INLINE Recent<V> recent_of(const N* recent, const T* t, Lanes at) {
  if (at.n == kLanes) return recent_of<V>(recent, t + at.j);
  T padded[kLanes] = {};
  for (int64_t k = 0; k < at.n; ++k) padded[k] = t[at.j + k];
  return recent_of<V>(recent, static_cast<const T*>(padded));
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

// Calls visit(at) for the pairs of delay and source whose spikes arrive in a step, with their place in tables, and notes that they did.
template <typename Visit>
inline void each_heard(const Delivery& x, const Learning& l, int32_t step, const Visit& visit) {
  const uint32_t clock = l.first_step + static_cast<uint32_t>(step - 1);
  for (int64_t d = 0; d < x.n_delays; ++d) {
    const int64_t slot = (clock - static_cast<uint32_t>(x.delays[d])) & static_cast<uint32_t>(x.depth - 1);
    for (int64_t i = 0; i < x.count[slot]; ++i) {
      const int64_t source = x.ids[slot * x.n_ids + i];
      if (static_cast<uint64_t>(source) >= static_cast<uint64_t>(x.n_source)) continue;
      visit(d * x.n_source + source);
      l.heard[d * x.n_source + source] = clock;
    }
  }
}

}  // namespace N4_ISA
}  // namespace neuro4d
