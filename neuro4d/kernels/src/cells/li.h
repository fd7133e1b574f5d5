// A leaky integrator that never fires. The sums are those of `LI.step` in neurons/_leaky.py, in their order.
#pragma once

#include "lif.h"

namespace neuro4d {
namespace N4_ISA {

struct Li {
  static constexpr Field kParams[] = {N4_FIELD("cell.leak"), N4_FIELD("cell.resistance"), N4_FIELD("cell.rate"), N4_FIELD("cell.g_leak"), N4_FIELD("cell.v_rest")};
  static constexpr Field kState[] = {N4_FIELD("cell.v")};

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    const F change = Leaky::change<kG>(p, s[0], g, i);
    s[0] = s[0] + (kJump ? change + jump : change);
    return splat(int32_t{0});
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
