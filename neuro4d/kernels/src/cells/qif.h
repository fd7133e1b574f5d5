// Quadratic integrate-and-fire. The sums are those of neurons/_qif.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

// v' = (a v + b) v + c over a step, exactly; `burst`: where the potential was infinite before, and is v_peak now.
N4_INLINE F quadratic_flow(F v, F a, F b, F c, F dt, F v_peak, I* burst) {
  const F slope = (a * v + b) * v + c;
  const F z = within(splat(-2.0f), splat(1e6f), splat(0.25f) * dt * dt * (b * b - splat(4.0f) * a * c));
  const F t = dt * (splat(945.0f) + z * (splat(105.0f) + z)) / (splat(945.0f) + z * (splat(420.0f) + splat(15.0f) * z));
  const F rest = splat(1.0f) - (a * v + splat(0.5f) * b) * t;
  *burst = below(rest, splat(0x1p-20f));
  return select(*burst, v_peak, v + slope * t / select(*burst, splat(1.0f), rest));
}

struct Qif {
  static constexpr Field kParams[] = {N4_FIELD("cell.alpha"),  N4_FIELD("cell.beta"), N4_FIELD("cell.gamma"), N4_FIELD("cell.per_c"), N4_FIELD("cell.dt"),
                                      N4_FIELD("cell.v_reset"), N4_FIELD("cell.v_peak"), N4_FIELD("cell.hold")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.left")};
  enum P { kAlpha, kBeta, kGamma, kPerC, kDt, kVReset, kVPeak, kHold };
  enum S { kV, kLeft };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    I burst;
    const F before = s[kV];
    const I free = below(s[kLeft], splat(0.5f));
    F v = quadratic_flow(before, p[kAlpha], kG ? p[kBeta] - p[kPerC] * g : p[kBeta], p[kGamma] + p[kPerC] * i, p[kDt], p[kVPeak], &burst);
    if (kJump) v = v + jump;
    v = select(free, v, before);
    const I spike = free & (at_least(v, p[kVPeak]) | burst);
    s[kV] = select(spike, p[kVReset], v);
    s[kLeft] = select(spike, p[kHold], select(free, splat(0.0f), s[kLeft] - splat(1.0f)));
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
