// Delivery of spikes into one block of targets. Included once per instruction set, with N4_ISA naming it.
//
// The order of sums is part of the layout: delays ascending, sources ascending, edges as stored. Each block is summed by
// one thread in that order, so the result is the same bits for any number of threads and any instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "prefetch.h"
#include "types.h"

#if defined(_MSC_VER)
#define N4_RESTRICT __restrict
#define N4_UNROLL
#else
#define N4_RESTRICT __restrict__
#if defined(__clang__)
#define N4_UNROLL _Pragma("clang loop unroll_count(8)")
#else
#define N4_UNROLL _Pragma("GCC unroll 8")
#endif
#endif

namespace neuro4d {
namespace N4_ISA {

// Distances in segments, measured on rows that lie in main memory. The bounds of a row are asked for first, the head of its
// synapses once the bounds are known; the rest of a long row the hardware fetches better by itself.
constexpr int64_t kFar = 48;
constexpr int64_t kNear = 16;
constexpr int64_t kQueue = 128;   // a power of two, more than kFar + kPending
constexpr int64_t kPending = 64;  // short segments that wait to be added together
constexpr int64_t kHead = 4;      // cache lines
constexpr int64_t kChunk = 64;    // edges
constexpr int64_t kCopy = 16;     // edges that are copied at a time
constexpr int64_t kShort = 64;    // edges; longer segments are added where they lie
constexpr int64_t kRoom = 512;    // edges that wait, before another short segment is looked at

struct F16 { uint16_t bits; };
struct BF16 { uint16_t bits; };

inline float widen(float x) { return x; }
inline double widen(double x) { return x; }

inline float widen(BF16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

inline float widen(F16 x) {
  // Integers only: the threads of XLA flush subnormal numbers to zero, and half of float16's small values are such.
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = (x.bits >> 10) & 0x1Fu;
  const uint32_t mantissa = x.bits & 0x3FFu;
  if (exponent == 0) {
    const float small = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -small : small;
  }
  const uint32_t bits = sign | ((exponent == 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

// The pairs (delay, source) in their order.
class Cursor {
 public:
  explicit Cursor(const Delivery& x) : at_(x.arrivals), left_(x.n_arrivals > 0 ? at_->count : 0), id_(x.n_arrivals > 0 ? at_->ids : nullptr) {}

  // To be asked no more often than there are pairs.
  inline void next(int64_t* delay, int64_t* source) {
    if (left_ == 0) {
      ++at_;
      left_ = at_->count;
      id_ = at_->ids;
    }
    *delay = at_->delay;
    *source = *id_++;
    --left_;
  }

 private:
  const SpikeList* at_;
  int64_t left_;
  const int32_t* id_;
};

// The first lines of a row, as far as copies of kCopy edges reach: what lies behind a segment is asked for in the next step.
template <typename V>
inline void prefetch_head(const V* begin, int64_t n) {
  const char* const p = reinterpret_cast<const char*>(begin);
  constexpr int64_t kCopied = kCopy * static_cast<int64_t>(sizeof(V));
  const int64_t bytes = n * static_cast<int64_t>(sizeof(V));
  N4_PREFETCH(p);
  N4_PREFETCH(p + kCopied - 1);
  if (n <= kCopy) return;
  for (int64_t i = 64; i < bytes && i < kHead * 64; i += 64) N4_PREFETCH(p + i);
}

// Index of the first target at or above the limit, or -1.
template <typename T>
inline int64_t first_beyond(const T* N4_RESTRICT t, int64_t n, int64_t limit) {
  if (limit > static_cast<int64_t>(static_cast<T>(-1))) return -1;  // no target of this width can lie beyond
  int64_t i = 0;
#if defined(__AVX512BW__)
  uint64_t beyond = 0;
  if (sizeof(T) == 2) {
    const __m512i bound = _mm512_set1_epi16(static_cast<short>(limit));
    for (; i + 32 <= n; i += 32) beyond |= _mm512_cmpge_epu16_mask(_mm512_loadu_si512(t + i), bound);
    const __mmask32 tail = static_cast<__mmask32>((uint64_t{1} << (n - i)) - 1);
    beyond |= _mm512_mask_cmpge_epu16_mask(tail, _mm512_maskz_loadu_epi16(tail, t + i), bound);
  } else {
    const __m512i bound = _mm512_set1_epi32(static_cast<int>(limit));
    for (; i + 16 <= n; i += 16) beyond |= _mm512_cmpge_epu32_mask(_mm512_loadu_si512(t + i), bound);
    const __mmask16 tail = static_cast<__mmask16>((1u << (n - i)) - 1);
    beyond |= _mm512_mask_cmpge_epu32_mask(tail, _mm512_maskz_loadu_epi32(tail, t + i), bound);
  }
  if (beyond == 0) return -1;
#else
  T most = 0;
  for (; i < n; ++i) most = t[i] > most ? t[i] : most;
  if (static_cast<int64_t>(most) < limit) return -1;
#endif
  for (i = 0; i < n; ++i) {
    if (static_cast<int64_t>(t[i]) >= limit) return i;
  }
  return -1;
}

template <typename T, typename A>
inline void add_one(A* N4_RESTRICT acc, const T* N4_RESTRICT t, int64_t n, A w) {
  N4_UNROLL
  for (int64_t i = 0; i < n; ++i) acc[t[i]] += w;
}

template <typename T, typename A>
inline void add_each(A* N4_RESTRICT acc, const T* N4_RESTRICT t, int64_t n, const A* N4_RESTRICT w) {
  N4_UNROLL
  for (int64_t i = 0; i < n; ++i) acc[t[i]] += w[i];
}

// Weights stored narrower than the sums are widened a chunk at a time, exactly.
template <typename W, typename A>
inline void widen_chunk(A* N4_RESTRICT out, const W* N4_RESTRICT w, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<A>(widen(w[i]));
}

#if defined(__F16C__)
inline void widen_chunk(float* N4_RESTRICT out, const F16* N4_RESTRICT w, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(narrow));
  }
  if (i == n) return;
  F16 held[8] = {};
  float wide[8];
  std::memcpy(held, w + i, static_cast<size_t>(n - i) * sizeof(F16));
  _mm256_storeu_ps(wide, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(held))));
  std::memcpy(out + i, wide, static_cast<size_t>(n - i) * sizeof(float));
}
#endif

// At most kChunk edges.
template <typename T, typename A, typename W>
inline void add_each(A* N4_RESTRICT acc, const T* N4_RESTRICT t, int64_t n, const W* N4_RESTRICT w) {
  A wide[kChunk];
  widen_chunk(wide, w, n);
  add_each(acc, t, n, static_cast<const A*>(wide));
}

inline void widen_chunk(float* N4_RESTRICT out, const float* N4_RESTRICT w, int64_t n) {
  std::memcpy(out, w, static_cast<size_t>(n) * sizeof(float));
}

inline void widen_chunk(double* N4_RESTRICT out, const double* N4_RESTRICT w, int64_t n) {
  std::memcpy(out, w, static_cast<size_t>(n) * sizeof(double));
}

// The piece of a row that one delay brings to this block: first where its bounds are written, then what they say.
template <typename A>
struct Segment {
  const uint32_t* bounds;
  uint64_t begin;
  int64_t n;
  int64_t delay;
  int64_t source;
  A weight;
};

// Serves the pairs (delay, source) one after the other. Short segments are copied one behind the other and added together, so
// that the loop over them does not end after a few edges, each time at another number. The order of sums stays the same.
template <typename T, typename A, typename W, WeightKind K>
class RowQueue {
 public:
  RowQueue(const Delivery& x, int64_t block, Failure* failure)
      : x_(x), cursor_(x), failure_(failure), acc_(static_cast<A*>(x.acc) + block * x.block_size), bounds_(x.bounds + block),
        n_bounds_(x.n_delays * x.n_blocks + 1),
        targets_(static_cast<const T*>(x.targets)), weight_(static_cast<const W*>(x.weight)) {}

  void run() {
    const int64_t total = x_.n_spikes;
    for (int64_t i = 0; i < kFar && i < total; ++i) look_ahead(i);
    for (int64_t i = 0; i < kNear && i < total; ++i) resolve(i);
    for (int64_t i = 0; i < total; ++i) {
      if (i + kFar < total) look_ahead(i + kFar);
      if (i + kNear < total) resolve(i + kNear);
      take(i);
    }
    flush(total);
  }

 private:
  Segment<A>& at(int64_t i) { return queue_[i & (kQueue - 1)]; }

  // Find the bounds of a row that comes later, and ask for them.
  inline void look_ahead(int64_t i) {
    Segment<A>& s = at(i);
    cursor_.next(&s.delay, &s.source);
    if (static_cast<uint64_t>(s.source) >= static_cast<uint64_t>(x_.n_source)) {
      s.bounds = nullptr;
      return;
    }
    s.bounds = bounds_ + s.source * n_bounds_ + s.delay * x_.n_blocks;
    N4_PREFETCH(x_.start + s.source * 2);
    N4_PREFETCH(s.bounds);
    N4_PREFETCH(s.bounds + 1);
  }

  // Read the bounds of a row and ask for its synapses.
  inline void resolve(int64_t i) {
    Segment<A>& s = at(i);
    s.n = 0;
    if (s.bounds == nullptr) return note(Wrong::kSource, s, s.source);
    const uint64_t begin = x_.start[s.source * 2] | (static_cast<uint64_t>(x_.start[s.source * 2 + 1]) << 32);
    const uint32_t low = s.bounds[0], high = s.bounds[1];
    if (low > high || begin > x_.n_edges || high > x_.n_edges - begin) {
      return note(Wrong::kSegment, s, static_cast<int64_t>(begin + high));
    }
    s.begin = begin + low;
    s.n = static_cast<int64_t>(high) - static_cast<int64_t>(low);
    prefetch_head(targets_ + s.begin, s.n);
    if (K == WeightKind::kEdge) prefetch_head(weight_ + s.begin, s.n);
    if (K == WeightKind::kSource) s.weight = static_cast<A>(widen(weight_[s.source]));
    if (K == WeightKind::kOne) s.weight = static_cast<A>(widen(weight_[0]));
  }

  inline void take(int64_t i) {
    const Segment<A>& s = at(i);
    if (s.n > kShort) {
      flush(i);
      add_checked(s);
      first_ = i + 1;
      return;
    }
    for (int64_t from = 0; from < s.n; from += kCopy) copy_some(s, from);
    filled_ += s.n;
    if (filled_ >= kRoom || i + 1 - first_ == kPending) flush(i + 1);
  }

  // kCopy edges behind those that wait; those beyond the segment are overwritten by the next one.
  inline void copy_some(const Segment<A>& s, int64_t from) {
    const uint64_t begin = s.begin + static_cast<uint64_t>(from);
    T* const t = wait_targets_ + filled_ + from;
    A* const w = wait_weights_ + filled_ + from;
    const bool whole = begin + kCopy <= x_.n_edges;
    const size_t n = whole ? kCopy : static_cast<size_t>(x_.n_edges - begin);
    if (whole) {
      std::memcpy(t, targets_ + begin, kCopy * sizeof(T));
      if (K == WeightKind::kEdge) widen_chunk(w, weight_ + begin, kCopy);
    } else {
      std::memcpy(t, targets_ + begin, n * sizeof(T));
      if (K == WeightKind::kEdge) widen_chunk(w, weight_ + begin, static_cast<int64_t>(n));
    }
    if (K == WeightKind::kSource) {
      for (int64_t k = 0; k < kCopy; ++k) w[k] = s.weight;
    }
  }

  // Adds the segments up to number `end` that wait.
  inline void flush(int64_t end) {
    if (filled_ > 0) {
      if (first_beyond(static_cast<const T*>(wait_targets_), filled_, x_.block_size) >= 0) {
        for (int64_t i = first_; i < end; ++i) add_checked(at(i));
      } else if (K == WeightKind::kOne) {
        add_one(acc_, static_cast<const T*>(wait_targets_), filled_, static_cast<A>(widen(weight_[0])));
      } else {
        add_each(acc_, static_cast<const T*>(wait_targets_), filled_, static_cast<const A*>(wait_weights_));
      }
      filled_ = 0;
    }
    first_ = end;
  }

  void add_checked(const Segment<A>& s) {
    for (int64_t i = 0; i < s.n; i += kChunk) {
      const int64_t n = s.n - i < kChunk ? s.n - i : kChunk;
      const T* t = targets_ + s.begin + i;
      const int64_t beyond = first_beyond(t, n, x_.block_size);
      if (beyond >= 0) return note(Wrong::kTarget, s, static_cast<int64_t>(t[beyond]));
      if (K == WeightKind::kEdge) {
        add_each(acc_, t, n, weight_ + s.begin + i);
      } else {
        add_one(acc_, t, n, s.weight);
      }
    }
  }

  void note(Wrong wrong, const Segment<A>& s, int64_t value) {
    if (failure_->wrong != Wrong::kNone) return;
    *failure_ = Failure{wrong, x_.delays[s.delay], s.source, value};
  }

  const Delivery& x_;
  Cursor cursor_;
  Failure* failure_;
  A* const acc_;
  const uint32_t* const bounds_;
  const int64_t n_bounds_;
  const T* const targets_;
  const W* const weight_;
  int64_t first_ = 0;   // of the segments that wait
  int64_t filled_ = 0;  // edges that wait
  Segment<A> queue_[kQueue];
  T wait_targets_[kRoom + kShort + kCopy];
  A wait_weights_[kRoom + kShort + kCopy];
};

template <typename T, typename A, typename W, WeightKind K>
Failure deliver_block(const Delivery& x, int64_t block) {
  Failure failure;
  RowQueue<T, A, W, K>(x, block, &failure).run();
  return failure;
}

template <typename T, typename A, typename W>
inline void fill(DeliverBlock (&row)[3]) {
  row[0] = deliver_block<T, A, W, WeightKind::kOne>;
  row[1] = deliver_block<T, A, W, WeightKind::kSource>;
  row[2] = deliver_block<T, A, W, WeightKind::kEdge>;
}

template <typename T>
inline void fill_targets(DeliverTable* table, int wide) {
  fill<T, float, float>(table->at[wide][0][0]);
  fill<T, float, F16>(table->at[wide][0][2]);
  fill<T, float, BF16>(table->at[wide][0][3]);
  fill<T, double, float>(table->at[wide][1][0]);
  fill<T, double, double>(table->at[wide][1][1]);
  fill<T, double, F16>(table->at[wide][1][2]);
  fill<T, double, BF16>(table->at[wide][1][3]);
}

inline DeliverTable make_table() {
  DeliverTable table{};  // float64 weights into float32 sums would round twice: that entry stays empty
  fill_targets<uint16_t>(&table, 0);
  fill_targets<uint32_t>(&table, 1);
  return table;
}

}  // namespace N4_ISA
}  // namespace neuro4d
