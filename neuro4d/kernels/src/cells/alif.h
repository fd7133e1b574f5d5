// Leaky integrate-and-fire with an adaptive threshold. The sums are those of `ALIF.step` in neurons/_adaptive.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Alif {
  static constexpr Field kParams[] = {N4_FIELD("cell.share"), N4_FIELD("cell.resistance"), N4_FIELD("cell.share_b"), N4_FIELD("cell.beta"), N4_FIELD("cell.v_th")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.b")};
  enum P { kShare, kResistance, kShareB, kBeta, kVTh };
  enum S { kV, kB };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F, F i, F jump) {
    F v = s[kV] + p[kShare] * (p[kResistance] * i - s[kV]);
    if (kJump) v = v + jump;
    const F threshold = p[kVTh] + s[kB];
    const I spike = at_least(v, threshold);
    s[kV] = select(spike, v - threshold, v);
    s[kB] = s[kB] + p[kShareB] * (select(spike, p[kBeta], splat(0.0f)) - s[kB]);
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
