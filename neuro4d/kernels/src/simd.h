// Vectors of floats and integers as the compiler offers them, as wide as the instruction set that N4_ISA names.
//
// Every operation is elementwise and correctly rounded, so the width changes no bit of any result.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

// For the bodies of loops over neurons: a call among them would pass vectors through memory.
#if defined(__GNUC__) || defined(__clang__)
#define N4_INLINE inline __attribute__((always_inline))
#define N4_INLINE_LAMBDA __attribute__((always_inline))  // also for the last lanes: what it refers to could not stay in registers
#else
#define N4_INLINE __forceinline
#define N4_INLINE_LAMBDA
#endif

namespace neuro4d {
namespace N4_ISA {

#if defined(__GNUC__) || defined(__clang__)

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

typedef float F __attribute__((vector_size(kLanes * 4)));
typedef int32_t I __attribute__((vector_size(kLanes * 4)));
typedef uint32_t U __attribute__((vector_size(kLanes * 4)));

N4_INLINE F splat(float x) { return x - F{}; }
N4_INLINE I splat(int32_t x) { return x - I{}; }
N4_INLINE F select(I mask, F a, F b) { return mask ? a : b; }
N4_INLINE I select(I mask, I a, I b) { return mask ? a : b; }
N4_INLINE I at_least(F a, F b) { return a >= b; }
N4_INLINE I at_least(U a, U b) { return a >= b; }
N4_INLINE I differ(U a, U b) { return a != b; }
N4_INLINE I below(F a, F b) { return a < b; }
N4_INLINE I equal(I a, I b) { return a == b; }
N4_INLINE I above(I a, I b) { return a > b; }
N4_INLINE I equal(F a, F b) { return a == b; }

N4_INLINE float first(F x) { return x[0]; }

#else  // one lane at a time

constexpr int64_t kLanes = 1;
using F = float;
using I = int32_t;
using U = uint32_t;

N4_INLINE F splat(float x) { return x; }
N4_INLINE float first(F x) { return x; }
N4_INLINE I splat(int32_t x) { return x; }
N4_INLINE F select(I mask, F a, F b) { return mask != 0 ? a : b; }
N4_INLINE I select(I mask, I a, I b) { return mask != 0 ? a : b; }
N4_INLINE I at_least(F a, F b) { return a >= b ? -1 : 0; }
N4_INLINE I at_least(U a, U b) { return a >= b ? -1 : 0; }
N4_INLINE I differ(U a, U b) { return a != b ? -1 : 0; }
N4_INLINE I below(F a, F b) { return a < b ? -1 : 0; }
N4_INLINE I equal(I a, I b) { return a == b ? -1 : 0; }
N4_INLINE I above(I a, I b) { return a > b ? -1 : 0; }
N4_INLINE I equal(F a, F b) { return a == b ? -1 : 0; }

#endif

template <typename To, typename From>
N4_INLINE To same_bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "a cast of bits keeps the size");
  To out;
  std::memcpy(&out, &x, sizeof out);
  return out;
}

template <typename V, typename T>
N4_INLINE V load(const T* p) {
  V out;
  std::memcpy(&out, p, sizeof out);
  return out;
}

template <typename V, typename T>
N4_INLINE void store(T* p, V x) {
  std::memcpy(p, &x, sizeof x);
}

// Fewer lanes than a vector has; the others are 0. Elements have 32 bits.
template <typename V, typename T>
N4_INLINE V load(const T* p, int64_t n) {
  static_assert(sizeof(T) == 4, "32 bits");
#if defined(__AVX512F__)
  return same_bits<V>(_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), p));
#else
  V out{};
  std::memcpy(&out, p, static_cast<size_t>(n) * sizeof(T));
  return out;
#endif
}

template <typename V, typename T>
N4_INLINE void store(T* p, V x, int64_t n) {
  static_assert(sizeof(T) == 4, "32 bits");
#if defined(__AVX512F__)
  _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1u << n) - 1), same_bits<__m512i>(x));
#else
  std::memcpy(p, &x, static_cast<size_t>(n) * sizeof(T));
#endif
}

N4_INLINE F floats_of(I x) {
#if defined(__GNUC__) || defined(__clang__)
  return __builtin_convertvector(x, F);
#else
  return static_cast<F>(x);
#endif
}

// x, or the bound that it passes; NaN stays.
N4_INLINE F within(F low, F high, F x) {
#if defined(__AVX512F__)
  return same_bits<F>(_mm512_min_ps(same_bits<__m512>(high), _mm512_max_ps(same_bits<__m512>(low), same_bits<__m512>(x))));
#elif defined(__AVX2__)
  return same_bits<F>(_mm256_min_ps(same_bits<__m256>(high), _mm256_max_ps(same_bits<__m256>(low), same_bits<__m256>(x))));
#else
  x = select(below(x, low), low, x);
  return select(below(high, x), high, x);
#endif
}

// x * 2^k for whole k, rounded once. Two factors, so that results below the normal range lose no factor on the way.
N4_INLINE F times_power_of_two(F x, F whole) {
#if defined(__AVX512F__)
  return same_bits<F>(_mm512_scalef_ps(same_bits<__m512>(x), same_bits<__m512>(whole)));
#else
  const F round = splat(12582912.0f);
  const I k = same_bits<I>(whole + round) - same_bits<I>(round);
  const I half = k >> 1;
  const F first = same_bits<F>((half + splat(127)) << 23);
  const F second = same_bits<F>((k - half + splat(127)) << 23);
  return x * first * second;
#endif
}

// Whether no lane of a mask is set.
N4_INLINE bool none(I mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask(same_bits<__m512i>(mask), same_bits<__m512i>(mask)) == 0;
#elif defined(__AVX2__)
  return _mm256_testz_si256(same_bits<__m256i>(mask), same_bits<__m256i>(mask)) != 0;
#else
  int32_t lanes[kLanes], any = 0;
  store(lanes, mask);
  for (int64_t k = 0; k < kLanes; ++k) any |= lanes[k];
  return any == 0;
#endif
}

// e^r - 1 for r within 0.35: the Taylor polynomial of degree 7, without the 1 that would cost a small result its digits. Terms are
// joined in pairs (Estrin), which do not wait for each other.
N4_INLINE F near_exp_minus_one(F r) {
  const F r2 = r * r;
  const F high = splat(1.0f / 5040.0f) * r + splat(1.0f / 720.0f);
  const F mid = splat(1.0f / 120.0f) * r + splat(1.0f / 24.0f);
  const F low = splat(1.0f / 6.0f) * r + splat(0.5f);
  return ((high * r2 + mid) * r2 + low) * r2 + r;
}

// x as a whole multiple of ln 2, in two parts (Cody and Waite, 1980), and what is left. Only additions and multiplications, never
// contracted.
struct Reduced {
  F whole, rest;
};

N4_INLINE Reduced reduced(F x) {
  const F round = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers
  const F whole = (x * splat(1.44269504f) + round) - round;
  const F rest = x - whole * splat(0.693359375f);
  return {whole, rest - whole * splat(-2.12194440e-4f)};
}

// 1 - e^x for x up to 87, to within 1.75 units in the last place. Where all lanes would be reduced by nothing, as in steps much shorter
// than a time constant, the same bits come without the reduction. NaN stays NaN.
N4_INLINE F one_minus_exp_f32(F x) {
  if (none(below(x, splat(-0.34f)) | below(splat(0.34f), x))) return splat(0.0f) - near_exp_minus_one(x);
  const Reduced e = reduced(within(splat(-104.0f), splat(87.0f), x));
  const F power = times_power_of_two(splat(1.0f), e.whole);
  return (splat(1.0f) - power) - power * near_exp_minus_one(e.rest);
}

// e^x, to within 1 unit in the last place where that is a normal number. Above 88.72 infinity, below -103.97 zero. NaN stays NaN.
N4_INLINE F exp_f32(F x) {
  const Reduced e = reduced(within(splat(-104.5f), splat(89.0f), x));
  return times_power_of_two(splat(1.0f) + near_exp_minus_one(e.rest), e.whole);
}

// e^x for x up to 0, to within 2 units in the last place; below -87 a number that is as good as 0. Cheaper than `exp_f32`: the result is always
// a normal number, whose exponent is added to.
N4_INLINE F fading_f32(F x) {
  const Reduced e = reduced(within(splat(-87.0f), splat(0.0f), x));
  const F r = e.rest, r2 = r * r;
  const F high = splat(1.0f / 720.0f) * r2 + (splat(1.0f / 120.0f) * r + splat(1.0f / 24.0f));
  const F low = splat(1.0f / 6.0f) * r + splat(0.5f);
  const F power = splat(1.0f) + ((high * r2 + low) * r2 + r);
  const F round = splat(12582912.0f);
  return same_bits<F>(same_bits<I>(power) + ((same_bits<I>(e.whole + round) - same_bits<I>(round)) << 23));
}

// e^x - 1 and (e^x - 1) / x, which is 1 at 0, as `one_minus_exp_f32`.
N4_INLINE F exp_minus_one_f32(F x) { return splat(0.0f) - one_minus_exp_f32(x); }

N4_INLINE F exprel_f32(F x) {
  const I zero = ~(below(x, splat(0.0f)) | below(splat(0.0f), x));
  return select(zero, x + splat(1.0f), exp_minus_one_f32(x) / select(zero, splat(1.0f), x));
}

// ln x for x in (0, 1], to within 1e-7 absolutely or 2 units in the last place. The series of the inverse hyperbolic tangent.
N4_INLINE F log_f32(F x) {
  const I bits = same_bits<I>(x);
  const I exponent = (bits - splat(static_cast<int32_t>(0x3F3504F3))) >> 23;  // the mantissa lies between 1 / sqrt 2 and sqrt 2
  const F m = same_bits<F>(bits - (exponent << 23));
  const F s = (m - splat(1.0f)) / (m + splat(1.0f));
  const F t = s * s;
  F p = (splat(2.0f / 9.0f) * t + splat(2.0f / 7.0f)) * (t * t) + (splat(2.0f / 5.0f) * t + splat(2.0f / 3.0f));
  p = p * (t * s) + (s + s);
  return floats_of(exponent) * splat(0.693147182f) + p;
}

// Entry `index`, from 0 to 23, of a table of 32 numbers aligned to 64 bytes.
N4_INLINE F lookup(const float* table, I index) {
#if defined(__AVX512F__)
  return same_bits<F>(_mm512_permutex2var_ps(_mm512_load_ps(table), same_bits<__m512i>(index), _mm512_load_ps(table + 16)));
#elif defined(__AVX2__)
  const __m256i at = same_bits<__m256i>(index);
  const __m256 first = _mm256_permutevar8x32_ps(_mm256_load_ps(table), at), second = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), at);
  const __m256 third = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 16), at);
  const __m256 low = _mm256_blendv_ps(first, second, _mm256_castsi256_ps(_mm256_slli_epi32(at, 28)));  // bit 3 as the sign
  return same_bits<F>(_mm256_blendv_ps(low, third, _mm256_castsi256_ps(_mm256_slli_epi32(at, 27))));   // bit 4
#else
  int32_t at[kLanes];
  float out[kLanes];
  store(at, index);
  for (int64_t k = 0; k < kLanes; ++k) out[k] = table[at[k]];
  return load<F>(out);
#endif
}

// The 32-bit mixer of the random words (see neuro4d/_base/_random.py), for one word or a vector of them.
template <typename V>
N4_INLINE V mix(V x) {
  x = (x ^ (x >> 16)) * 0x21F0AAADu;
  x = (x ^ (x >> 15)) * 0x735A2D97u;
  return x ^ (x >> 15);
}

}  // namespace N4_ISA
}  // namespace neuro4d
