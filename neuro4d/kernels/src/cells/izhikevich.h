// Izhikevich's two-variable model. The sums are those of `Izhikevich.step` in neurons/_izhikevich.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Izhikevich {
  static constexpr Field kParams[] = {N4_FIELD("cell.a"),      N4_FIELD("cell.b"),     N4_FIELD("cell.c"),  N4_FIELD("cell.d"),
                                      N4_FIELD("cell.v_peak"), N4_FIELD("cell.per_c"), N4_FIELD("cell.dt"), N4_FIELD("cell.substeps")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.u")};
  enum P { kA, kB, kC, kD, kVPeak, kPerC, kDt, kSubsteps };
  enum S { kV, kU };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    F v = s[kV];
    const F u = s[kU], part = p[kDt] / p[kSubsteps];
    const int substeps = static_cast<int>(first(p[kSubsteps]));  // the same for all neurons of a group
    for (int k = 0; k < substeps; ++k) {
      const F inward = kG ? i - g * v : i;
      v = v + part * (splat(0.04f) * v * v + splat(5.0f) * v + splat(140.0f) - u + p[kPerC] * inward);
    }
    const F recovery = u + p[kDt] * p[kA] * (p[kB] * v - u);
    if (kJump) v = v + jump;
    const I spike = at_least(v, p[kVPeak]);
    s[kV] = select(spike, p[kC], v);
    s[kU] = select(spike, recovery + p[kD], recovery);
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
