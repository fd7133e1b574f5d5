// Exponential integrate-and-fire neurons. The sums are those of neurons/_eif.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

// -ln(1 - x) for x below 1 - 2^-20, to within 1e-7 absolutely. Far from a spike x is small and the series enough; where that holds for all
// lanes nothing else is computed.
N4_INLINE F minus_log_of_rest(F x) {
  const F x2 = x * x, x4 = x2 * x2;
  const F low = (splat(1.0f) + splat(0.5f) * x) + x2 * (splat(1.0f / 3.0f) + splat(0.25f) * x);
  const F high = (splat(0.2f) + splat(1.0f / 6.0f) * x) + x2 * splat(1.0f / 7.0f);
  const F near = x * (low + x4 * high);
  const I far = below(splat(0.125f), x);
  if (none(far)) return near;
  return select(far, splat(0.0f) - log_f32(select(far, splat(1.0f) - x, splat(1.0f))), near);
}

// The membrane of EIF and AdEx: its parameters come first in both.
struct ExponentialMembrane {
  enum P { kHalf, kResistance, kRate, kGL, kVRest, kRise, kVT, kDeltaT, kPerDelta, kVReset, kVPeak, kHold };

  // The potential after a step without jumps; `burst`: where it was infinite before, and is v_peak now.
  template <bool kG>
  N4_INLINE static F after(const F* p, F v, F g, F i, I* burst) {
    F share = p[kHalf], steady;
    if (kG) {
      const F total = p[kGL] + g;
      share = one_minus_exp_f32(-p[kRate] * total);
      steady = (p[kGL] * p[kVRest] + i) / total;
    } else {
      steady = p[kVRest] + p[kResistance] * i;
    }
    v = v + share * (steady - v);
    const F exponent = (v - p[kVT]) * p[kPerDelta];
    const F rise = p[kRise] * exp_f32(exponent);  // far above v_t infinite, a burst as well
    *burst = below(splat(1.0f) - rise, splat(0x1p-20f));
    v = v + p[kDeltaT] * minus_log_of_rest(select(*burst, splat(0.0f), rise));
    v = v + share * (steady - v);
    return select(*burst, p[kVPeak], v);
  }

  // Threshold, reset and hold. `later` is changed into the potential of the state.
  template <bool kJump>
  N4_INLINE static I fire(const F* p, F before, F jump, I burst, F* later, F* left) {
    const I free = below(*left, splat(0.5f));
    const F v = select(free, kJump ? *later + jump : *later, before);
    const I spike = free & (at_least(v, p[kVPeak]) | burst);
    *later = select(spike, p[kVReset], v);
    *left = select(spike, p[kHold], select(free, splat(0.0f), *left - splat(1.0f)));
    return spike;
  }
};

#define N4_EXPONENTIAL_MEMBRANE                                                                                                         \
  N4_FIELD("cell.half"), N4_FIELD("cell.resistance"), N4_FIELD("cell.rate"), N4_FIELD("cell.g_l"), N4_FIELD("cell.v_rest"),             \
      N4_FIELD("cell.rise"), N4_FIELD("cell.v_t"), N4_FIELD("cell.delta_t"), N4_FIELD("cell.per_delta"), N4_FIELD("cell.v_reset"),      \
      N4_FIELD("cell.v_peak"), N4_FIELD("cell.hold")

struct Eif {
  static constexpr Field kParams[] = {N4_EXPONENTIAL_MEMBRANE};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.left")};
  enum S { kV, kLeft };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    I burst;
    const F before = s[kV];
    s[kV] = ExponentialMembrane::after<kG>(p, before, g, i, &burst);
    return ExponentialMembrane::fire<kJump>(p, before, jump, burst, &s[kV], &s[kLeft]);
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
