// Normally distributed currents from one random word per neuron. Included once per instruction set, with N4_ISA naming it.
//
// The sums are those of `Noise.draw` in stimuli/_base.py: the inverse of the distribution function by the approximation of Giles (2010),
// which XLA uses as well. The logarithm is this library's own, so results agree to the last places, not to the last bit.
#pragma once

#include <cstdint>

#include "poisson_kernel.h"
#include "program.h"
#include "vectors.h"

namespace neuro4d {
namespace N4_ISA {

// ln x for x in (0, 1], to within 1e-7 absolutely or 2 units in the last place. The series of the inverse hyperbolic tangent.
N4_INLINE F log_f32(F x) {
  const I bits = same_bits<I>(x);
  const I exponent = (bits - splat(static_cast<int32_t>(0x3F3504F3))) >> 23;  // the mantissa lies between 1 / sqrt 2 and sqrt 2
  const F m = same_bits<F>(bits - (exponent << 23));
  const F s = (m - splat(1.0f)) / (m + splat(1.0f));
  const F t = s * s;
  F p = splat(2.0f / 9.0f);
  p = p * t + splat(2.0f / 7.0f);
  p = p * t + splat(2.0f / 5.0f);
  p = p * t + splat(2.0f / 3.0f);
  p = p * t * s + s + s;
  return floats_of(exponent) * splat(0.693147182f) + p;
}

// The inverse error function of x within (-1, 1).
N4_INLINE F erf_inv_f32(F x) {
  constexpr float kNear[] = {2.81022636e-08f,  3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f, 0.00021858087f,
                             -0.00125372503f, -0.00417768164f, 0.246640727f,    1.50140941f};
  constexpr float kFar[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
                            -0.0076224613f,   0.00943887047f,  1.00167406f,    2.83297682f};
  const F w = splat(0.0f) - log_f32((splat(1.0f) - x) * (splat(1.0f) + x));
  const I near = below(w, splat(5.0f));
  const F close = w - splat(2.5f);
  F p = splat(kNear[0]);
  for (int k = 1; k < 9; ++k) p = splat(kNear[k]) + p * close;
  if (!none(~near)) {
    const F away = root(w) - splat(3.0f);
    F q = splat(kFar[0]);
    for (int k = 1; k < 9; ++k) q = splat(kFar[k]) + q * away;
    p = select(near, p, q);
  }
  return p * x;
}

// A number of the standard normal distribution for each random word, of which the upper 23 bits count.
N4_INLINE F normal_of(U word) {
  return splat(1.41421354f) * erf_inv_f32(splat(2.0f) * uniform_of(word) - splat(1.0f));
}

// Adds the noise of one step to the current of the neurons of a piece.
inline void add_noise(const Clock& clock, const Extra& noise, const Piece& piece, float* current) {
  const int64_t low = noise.first > piece.first ? noise.first : piece.first;
  const int64_t noise_end = noise.first + noise.size, piece_end = piece.first + piece.n;
  const int64_t high = noise_end < piece_end ? noise_end : piece_end;
  if (low >= high) return;
  const Address address = address_of(clock, noise.a0, noise.b0);
  const int64_t local = low - noise.first;
  const bool each_mean = noise.value.mode == Param::kNeuron, each_std = noise.std.mode == Param::kNeuron;
  const float* const mean = noise.value.data + (each_mean ? local : 0);
  const float* const std = noise.std.data + (each_std ? local : 0);
  float* const out = current + (low - piece.first);
  each_vector(high - low, [&](Lanes at) N4_INLINE_LAMBDA {
    const F normal = normal_of(words_of(static_cast<uint32_t>(local + at.j), address));
    const F m = each_mean ? get<F>(mean, at) : splat(*mean), s = each_std ? get<F>(std, at) : splat(*std);
    put(out, get<F>(out, at) + (m + s * normal), at);
  });
}

}  // namespace N4_ISA
}  // namespace neuro4d
