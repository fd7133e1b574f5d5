// Normally distributed currents from one random word per neuron. Included once per instruction set, with N4_ISA naming it.
//
// The numbers are those of `Noise.draw` in stimuli/_base.py, which inverts the same distribution function by XLA's own approximation: they
// agree to 1e-6, not to the last bit.
#pragma once

#include <cstdint>

#include "poisson_kernel.h"
#include "program.h"
#include "vectors.h"

namespace neuro4d {
namespace N4_ISA {

// |z| as a polynomial of degree 6 in the mantissa, one for each octave of the chance v that a number lies beyond it: by rows the
// coefficients, highest first, by columns the octaves from 2^-24 to 2^-2. Interpolated at Chebyshev's nodes, right to 7e-7.
alignas(64) constexpr float kNormal[7][32] = {
    {0.002994017f, 0.0030552824f, 0.0031203735f, 0.0031896979f, 0.0032637261f, 0.0033430036f, 0.003428167f, 0.0035199644f, 0.00361928f,
     0.0037271685f, 0.003844897f, 0.0039740023f, 0.004116366f, 0.0042743143f, 0.0044507566f, 0.0046493723f, 0.004874865f, 0.0051333155f,
     0.0054326486f, 0.0057832273f, 0.006198508f, 0.0066945283f, 0.006967597f, 0.0f},
    {-0.005265767f, -0.0053747892f, -0.005490701f, -0.0056142467f, -0.0057462845f, -0.005887813f, -0.0060399994f, -0.0062042177f,
     -0.0063820966f, -0.0065755825f, -0.0067870216f, -0.0070192665f, -0.0072758202f, -0.00756103f, -0.007880351f, -0.0082407035f,
     -0.008650971f, -0.009122663f, -0.009670805f, -0.010315021f, -0.01108078f, -0.012007609f, -0.014107623f, 0.0f},
    {0.008539569f, 0.008719651f, 0.008911328f, 0.0091158785f, 0.009334778f, 0.00956975f, 0.009822814f, 0.010096354f, 0.010393213f,
     0.010716792f, 0.011071216f, 0.011461519f, 0.011893914f, 0.012376154f, 0.012918015f, 0.013531972f, 0.014234108f, 0.015045342f,
     0.015992988f, 0.017112432f, 0.018446364f, 0.01998719f, 0.018906986f, 0.0f},
    {-0.017317016f, -0.017689673f, -0.018086836f, -0.018511258f, -0.018966142f, -0.01945523f, -0.01998293f, -0.020554466f, -0.021176083f,
     -0.021855304f, -0.022601284f, -0.023425266f, -0.024341203f, -0.025366606f, -0.0265237f, -0.027840996f, -0.02935543f, -0.031115174f,
     -0.03318335f, -0.035644703f, -0.038640447f, -0.042768963f, -0.057235252f, 0.0f},
    {0.039790142f, 0.040673923f, 0.041617773f, 0.042628694f, 0.043714847f, 0.044885848f, 0.04615307f, 0.04753009f, 0.049033254f,
     0.05068243f, 0.05250197f, 0.054522056f, 0.056780513f, 0.059325222f, 0.06221738f, 0.06553568f, 0.06938089f, 0.073878005f,
     0.07916378f, 0.08530636f, 0.09189725f, 0.09567681f, 0.06925981f, 0.0f},
    {-0.12346716f, -0.12641336f, -0.12957643f, -0.132984f, -0.13666888f, -0.1406703f, -0.14503565f, -0.14982282f, -0.1551033f,
     -0.16096656f, -0.16752633f, -0.17492957f, -0.18337011f, -0.19310942f, -0.20451008f, -0.21809147f, -0.2346282f, -0.25533462f,
     -0.2822418f, -0.31905463f, -0.37341762f, -0.46441594f, -0.6592981f, 0.0f},
    {5.220113f, 5.090231f, 4.957175f, 4.820706f, 4.680553f, 4.536408f, 4.387918f, 4.2346754f, 4.0762067f, 3.911953f, 3.7412524f,
     3.5633078f, 3.3771458f, 3.1815596f, 2.9750206f, 2.7555487f, 2.520502f, 2.2662268f, 1.9874278f, 1.6759397f, 1.3180108f, 0.8871465f,
     0.31863928f, 0.0f}};

// A number of the standard normal distribution for each random word, of which the upper 23 bits count: the inverse of the distribution
// function at the middle of each of 2^23 cells.
N4_INLINE F normal_of(U word) {
  const I upper = same_bits<I>(word) >> 31;  // -1 above the median, where cells are counted from the other end
  const I twice = ((same_bits<I>(word >> 8) ^ upper) & splat(0x7FFFFF)) | splat(1);  // v = (cell + 1/2) / 2^23 in units of 2^-24
  const I bits = same_bits<I>(floats_of(twice));
  const I octave = (bits >> 23) - splat(127);
  const F m = same_bits<F>((bits & splat(0x7FFFFF)) | splat(0x3F800000)) - splat(1.5f);
  const F m2 = m * m;
  const F high = (lookup(kNormal[0], octave) * m + lookup(kNormal[1], octave)) * m2 + (lookup(kNormal[2], octave) * m + lookup(kNormal[3], octave));
  const F z = (high * m + lookup(kNormal[4], octave)) * m2 + (lookup(kNormal[5], octave) * m + lookup(kNormal[6], octave));
  return same_bits<F>(same_bits<I>(z) ^ (~same_bits<I>(word) & splat(static_cast<int32_t>(0x80000000u))));
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
  const bool colored = noise.kind == ExtraKind::kColoredNoise, each_decay = colored && noise.decay.mode == Param::kNeuron;
  const float* const decay = noise.decay.data + (each_decay ? local : 0);
  float* const memory = colored ? noise.memory + local : nullptr;
  each_vector(high - low, [&](Lanes at) N4_INLINE_LAMBDA {
    const F normal = normal_of(words_of(static_cast<uint32_t>(local + at.j), address));
    const F m = each_mean ? get<F>(mean, at) : splat(*mean), s = each_std ? get<F>(std, at) : splat(*std);
    F away = s * normal;
    if (colored) {
      away = get<F>(memory, at) * (each_decay ? get<F>(decay, at) : splat(*decay)) + away;
      put(memory, away, at);
    }
    put(out, get<F>(out, at) + (m + away), at);
  });
}

}  // namespace N4_ISA
}  // namespace neuro4d
