// Delivery of spikes into one block of targets. Included once per instruction set, with N4_ISA naming it.
//
// The order of sums is part of the layout: delays ascending, sources ascending, edges as stored. Each block is summed by
// one thread in that order, so the result is the same bits for any number of threads and any instruction set.
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "types.h"

#if defined(_MSC_VER)
#include <intrin.h>
#define N4_RESTRICT __restrict
#if defined(_M_X64)
#define N4_PREFETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0)
#else
#define N4_PREFETCH(p) ((void)(p))
#endif
#define N4_UNROLL
#else
#define N4_RESTRICT __restrict__
#define N4_PREFETCH(p) __builtin_prefetch(p, 0, 3)
#if defined(__clang__)
#define N4_UNROLL _Pragma("clang loop unroll_count(8)")
#else
#define N4_UNROLL _Pragma("GCC unroll 8")
#endif
#endif

namespace neuro4d {
namespace N4_ISA {

// Distances, measured on rows that lie in main memory. The bounds of a row are asked for first, the head of its synapses
// once the bounds are known; the rest of a long row the hardware fetches better by itself.
constexpr int64_t kFar = 32;   // segments
constexpr int64_t kNear = 8;   // segments, a power of two
constexpr int64_t kHead = 4;   // cache lines
constexpr int64_t kChunk = 64; // edges

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
  explicit Cursor(const Delivery& x) : x_(x) { skip(); }

  inline void next(int64_t* delay, int64_t* source) {
    *delay = delay_;
    *source = *row_++;
    if (--left_ == 0) {
      ++delay_;
      skip();
    }
  }

 private:
  inline void skip() {
    for (; delay_ < x_.n_delays; ++delay_) {
      const int64_t slot = (x_.step - static_cast<uint32_t>(x_.delays[delay_])) & static_cast<uint32_t>(x_.depth - 1);
      left_ = x_.count[slot];
      row_ = x_.ids + slot * x_.n_ids;
      if (left_ > 0) return;
    }
  }

  const Delivery& x_;
  const int32_t* row_ = nullptr;
  int64_t delay_ = 0;
  int64_t left_ = 0;
};

template <typename V>
inline void prefetch_head(const V* begin, int64_t n) {
  const char* p = reinterpret_cast<const char*>(begin);
  int64_t bytes = n * static_cast<int64_t>(sizeof(V));
  if (bytes > kHead * 64) bytes = kHead * 64;
  for (int64_t i = 0; i < bytes; i += 64) N4_PREFETCH(p + i);
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

template <typename A>
struct Segment {
  uint64_t begin;
  int64_t n;
  int64_t delay;
  int64_t source;
  A weight;
};

template <typename T, typename A, typename W, WeightKind K>
class Rows {
 public:
  Rows(const Delivery& x, int64_t block, Failure* failure)
      : x_(x), ahead_(x), near_(x), failure_(failure),
        start_(x.start + block * x.n_source * 2), offset_(x.offset + block * x.n_source * (x.n_delays + 1)),
        targets_(static_cast<const T*>(x.targets)), weight_(static_cast<const W*>(x.weight)) {}

  // Ask for the bounds of a row that comes later.
  inline void look_ahead() {
    int64_t delay, source;
    ahead_.next(&delay, &source);
    if (static_cast<uint64_t>(source) >= static_cast<uint64_t>(x_.n_source)) return;
    N4_PREFETCH(start_ + source * 2);
    const uint32_t* bounds = offset_ + source * (x_.n_delays + 1) + delay;
    N4_PREFETCH(bounds);
    N4_PREFETCH(bounds + 1);
  }

  // Read the bounds of the next row and ask for its synapses.
  inline Segment<A> resolve() {
    Segment<A> s;
    near_.next(&s.delay, &s.source);
    s.begin = 0;
    s.n = 0;
    s.weight = A(0);
    if (static_cast<uint64_t>(s.source) >= static_cast<uint64_t>(x_.n_source)) {
      note(Wrong::kSource, s, s.source);
      return s;
    }
    const uint32_t* bounds = offset_ + s.source * (x_.n_delays + 1) + s.delay;
    const uint64_t begin = start_[s.source * 2] | (static_cast<uint64_t>(start_[s.source * 2 + 1]) << 32);
    if (bounds[0] > bounds[1] || begin > x_.n_edges || bounds[1] > x_.n_edges - begin) {
      note(Wrong::kSegment, s, static_cast<int64_t>(begin + bounds[1]));
      return s;
    }
    s.begin = begin + bounds[0];
    s.n = static_cast<int64_t>(bounds[1]) - static_cast<int64_t>(bounds[0]);
    prefetch_head(targets_ + s.begin, s.n);
    if (K == WeightKind::kEdge) prefetch_head(weight_ + s.begin, s.n);
    if (K == WeightKind::kSource) s.weight = static_cast<A>(widen(weight_[s.source]));
    if (K == WeightKind::kOne) s.weight = static_cast<A>(widen(weight_[0]));
    return s;
  }

  inline void add(A* acc, const Segment<A>& s) {
    for (int64_t i = 0; i < s.n; i += kChunk) {
      const int64_t n = s.n - i < kChunk ? s.n - i : kChunk;
      const T* t = targets_ + s.begin + i;
      const int64_t beyond = first_beyond(t, n, x_.block_size);
      if (beyond >= 0) {
        note(Wrong::kTarget, s, static_cast<int64_t>(t[beyond]));
        return;
      }
      if (K == WeightKind::kEdge) {
        add_each(acc, t, n, weight_ + s.begin + i);
      } else {
        add_one(acc, t, n, s.weight);
      }
    }
  }

 private:
  inline void note(Wrong wrong, const Segment<A>& s, int64_t value) {
    if (failure_->wrong != Wrong::kNothing) return;
    *failure_ = Failure{wrong, x_.delays[s.delay], s.source, value};
  }

  const Delivery& x_;
  Cursor ahead_, near_;
  Failure* failure_;
  const uint32_t* start_;
  const uint32_t* offset_;
  const T* targets_;
  const W* weight_;
};

template <typename T, typename A, typename W, WeightKind K>
Failure deliver_block(const Delivery& x, int64_t block) {
  Failure failure;
  const int64_t total = x.n_spikes;
  Rows<T, A, W, K> rows(x, block, &failure);
  A* acc = static_cast<A*>(x.acc) + block * x.block_size;
  Segment<A> queue[kNear];
  for (int64_t i = 0; i < kFar && i < total; ++i) rows.look_ahead();
  for (int64_t i = 0; i < kNear && i < total; ++i) queue[i] = rows.resolve();
  for (int64_t i = 0; i < total; ++i) {
    const Segment<A> now = queue[i & (kNear - 1)];
    if (i + kFar < total) rows.look_ahead();
    if (i + kNear < total) queue[i & (kNear - 1)] = rows.resolve();
    if (now.n > 0) rows.add(acc, now);
  }
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
