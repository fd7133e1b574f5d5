// The neuron of Traub and Miles. The sums are those of `TraubMiles.step` in neurons/_traub_miles.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"
#include "rates.h"

namespace neuro4d {
namespace N4_ISA {

struct TraubMiles {
  static constexpr Field kParams[] = {N4_FIELD("cell.dt"),     N4_FIELD("cell.rate"), N4_FIELD("cell.g_leak"), N4_FIELD("cell.g_na"),
                                      N4_FIELD("cell.g_k"),    N4_FIELD("cell.e_leak"), N4_FIELD("cell.e_na"), N4_FIELD("cell.e_k"),
                                      N4_FIELD("cell.v_t"),    N4_FIELD("cell.v_th"), N4_FIELD("cell.hold")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.m"), N4_FIELD("cell.h"), N4_FIELD("cell.n"), N4_FIELD("cell.left")};
  enum P { kDt = Ionic::kDt, kRate = Ionic::kRate, kVT = Ionic::kEK + 1, kVTh, kHold };
  enum S { kV, kM, kH, kN, kLeft };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    F v = s[kV];
    const F m = s[kM], h = s[kH], n = s[kN], left = s[kLeft], dt = p[kDt];
    const F w = within(splat(-kFarFromRest), splat(kFarFromRest), v - p[kVT]);
    s[kM] = relaxed(m, splat(1.28f) / exprel_f32(scaled(13.0f, w, 4.0f)), splat(1.4f) / exprel_f32((w - splat(40.0f)) / splat(5.0f)), dt);
    s[kH] = relaxed(h, splat(0.128f) * exp_f32(scaled(17.0f, w, 18.0f)), splat(4.0f) / (splat(1.0f) + exp_f32(scaled(40.0f, w, 5.0f))), dt);
    s[kN] = relaxed(n, splat(0.16f) / exprel_f32(scaled(15.0f, w, 5.0f)), splat(0.5f) * exp_f32(scaled(10.0f, w, 40.0f)), dt);
    v = v + Ionic::change<kG>(p, v, m, h, n, g, i, p[kRate]);
    if (kJump) v = v + jump;
    const I free = below(left, splat(0.5f));
    const I spike = free & at_least(v, p[kVTh]);
    s[kV] = v;
    s[kLeft] = select(spike, p[kHold], select(free, left, left - splat(1.0f)));
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
