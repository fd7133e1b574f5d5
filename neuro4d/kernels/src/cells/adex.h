// Adaptive exponential integrate-and-fire. The sums are those of `AdEx.step` in neurons/_eif.py, in their order.
#pragma once

#include "eif.h"

namespace neuro4d {
namespace N4_ISA {

struct AdEx {
  static constexpr Field kParams[] = {N4_EXPONENTIAL_MEMBRANE, N4_FIELD("cell.half_w"), N4_FIELD("cell.a"), N4_FIELD("cell.b")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.w"), N4_FIELD("cell.left")};
  enum P {
    kVRest = ExponentialMembrane::kVRest,
    kVReset = ExponentialMembrane::kVReset,
    kVPeak = ExponentialMembrane::kVPeak,
    kHalfW = ExponentialMembrane::kHold + 1,
    kA,
    kB
  };
  enum S { kV, kW, kLeft };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    I burst;
    const F before = s[kV];
    const I free = below(s[kLeft], splat(0.5f));
    F w = s[kW] + p[kHalfW] * (p[kA] * (before - p[kVRest]) - s[kW]);
    F v = ExponentialMembrane::after<kG>(p, before, g, i - w, &burst);
    const F seen = select(free, select(at_least(v, p[kVPeak]), p[kVReset], v), before);
    w = w + p[kHalfW] * (p[kA] * (seen - p[kVRest]) - w);
    const I spike = ExponentialMembrane::fire<kJump>(p, before, jump, burst, &v, &s[kLeft]);
    s[kV] = v;
    s[kW] = select(spike, w + p[kB], w);
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
