// Leaky integrate-and-fire with an adaptation current, in three orders. The sums are those of `AdLIF.step` in neurons/_adaptive.py.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct AdLif {
  static constexpr Field kParams[] = {N4_FIELD("cell.share"), N4_FIELD("cell.resistance"), N4_FIELD("cell.share_w"), N4_FIELD("cell.a"),
                                      N4_FIELD("cell.b"),     N4_FIELD("cell.v_th"),       N4_FIELD("cell.order")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.w"), N4_FIELD("cell.z")};
  enum P { kShare, kResistance, kShareW, kA, kB, kVTh, kOrder };
  enum S { kV, kW, kZ };
  enum Order { kSparch, kEf, kSe };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F, F i, F jump) {
    const F zero = splat(0.0f), one = splat(1.0f), before = s[kV], w = s[kW];
    const int order = static_cast<int>(first(p[kOrder]));  // the same for all neurons of a group
    F v = before + p[kShare] * (p[kResistance] * (i - w) - before);
    if (kJump) v = v + jump;
    const I spike = at_least(v, p[kVTh]);
    const F z = select(spike, one, zero);
    if (order == kSparch) {
      s[kW] = w + (p[kA] * v + p[kB] * z - p[kShareW] * w);
      s[kV] = v - p[kVTh] * z;
    } else {
      s[kV] = select(spike, zero, v);
      s[kW] = w + p[kShareW] * (p[kA] * (order == kEf ? before : s[kV]) + p[kB] * (order == kEf ? s[kZ] : z) - w);
    }
    s[kZ] = z;
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
