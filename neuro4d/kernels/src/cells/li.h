// A leaky integrator that never fires. The sums are those of `LI.step` in neurons/_leaky.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Li {
  static constexpr Field kParams[] = {N4_FIELD("cell.leak"), N4_FIELD("cell.resistance"), N4_FIELD("cell.rate"), N4_FIELD("cell.g_l"), N4_FIELD("cell.v_rest")};
  static constexpr Field kState[] = {N4_FIELD("cell.v")};
  enum P { kLeak, kResistance, kRate, kGL, kVRest };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    F change = p[kVRest] - s[0];
    if (kG) {
      const F total = p[kGL] + g;
      change = (p[kGL] * change + (i - g * s[0])) / total * one_minus_exp_f32(-p[kRate] * total);
    } else {
      change = p[kLeak] * (change + p[kResistance] * i);
    }
    s[0] = s[0] + (kJump ? change + jump : change);
    return splat(int32_t{0});
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
