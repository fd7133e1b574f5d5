// Leaky integrate-and-fire. The sums are those of `LIF.step` in neurons/_lif.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

// The membrane of LIF and LI, whose parameters both begin with these.
struct Leaky {
  enum P { kLeak, kResistance, kRate, kGLeak, kVRest };

  // How far it moves in a step in which the drive is held.
  template <bool kG>
  N4_INLINE static F change(const F* p, F v, F g, F i) {
    const F away = p[kVRest] - v;
    if (!kG) return p[kLeak] * (away + p[kResistance] * i);
    const F total = p[kGLeak] + g;
    return (p[kGLeak] * away + (i - g * v)) / total * one_minus_exp_f32(-p[kRate] * total);
  }
};

struct Lif {
  static constexpr Field kParams[] = {N4_FIELD("cell.leak"),   N4_FIELD("cell.resistance"), N4_FIELD("cell.rate"), N4_FIELD("cell.g_leak"),
                                      N4_FIELD("cell.v_rest"), N4_FIELD("cell.v_th"),       N4_FIELD("cell.v_reset"), N4_FIELD("cell.hold")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.left")};
  enum P { kVTh = Leaky::kVRest + 1, kVReset, kHold };
  enum S { kV, kLeft };

  // The membrane over a step in which the drive is held, then threshold, reset and hold. -1 in the lanes that fire.
  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    const F before = s[kV], left = s[kLeft];
    const F change = Leaky::change<kG>(p, before, g, i) + (kJump ? left + jump : left);
    F after = before + change;
    const F over = change - (after - before);  // what rounding took from `after`: a compensated sum
    const I free = below(left, splat(0.5f));
    after = select(free, after, before);
    const I spike = free & at_least(after, p[kVTh]);
    s[kV] = select(spike, p[kVReset], after);
    s[kLeft] = select(spike, p[kHold], select(free, over, left - splat(1.0f)));
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
