// Leaky integrate-and-fire with a trained time constant. The sums are those of `PLIF.step` in neurons/_leaky.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Plif {
  static constexpr Field kParams[] = {N4_FIELD("cell.share"), N4_FIELD("cell.resistance"), N4_FIELD("cell.v_th"), N4_FIELD("cell.v_reset")};
  static constexpr Field kState[] = {N4_FIELD("cell.v")};
  enum P { kShare, kResistance, kVTh, kVReset };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F, F i, F jump) {
    F v = s[0] + p[kShare] * (p[kResistance] * i + p[kVReset] - s[0]);
    if (kJump) v = v + jump;
    const I spike = at_least(v, p[kVTh]);
    s[0] = select(spike, p[kVReset], v);
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
