// The neuron of Hodgkin and Huxley. The sums are those of `HodgkinHuxley.step` in neurons/_hodgkin_huxley.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"
#include "rates.h"

namespace neuro4d {
namespace N4_ISA {

struct HodgkinHuxley {
  static constexpr Field kParams[] = {N4_FIELD("cell.dt"),     N4_FIELD("cell.rate"), N4_FIELD("cell.g_leak"), N4_FIELD("cell.g_na"),
                                      N4_FIELD("cell.g_k"),    N4_FIELD("cell.e_leak"), N4_FIELD("cell.e_na"), N4_FIELD("cell.e_k"),
                                      N4_FIELD("cell.v_rest"), N4_FIELD("cell.v_th")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.m"), N4_FIELD("cell.h"), N4_FIELD("cell.n")};
  enum P { kDt = Ionic::kDt, kRate = Ionic::kRate, kVRest = Ionic::kEK + 1, kVTh };
  enum S { kV, kM, kH, kN };

  // Opening and closing of each gate, 1/ms, at a distance of w mV from rest.
  struct Rates {
    F m[2], h[2], n[2];
  };
  N4_INLINE static Rates rates(F w) {
    const F one = splat(1.0f);
    w = within(splat(-kFarFromRest), splat(kFarFromRest), w);
    return {{one / exprel_f32(scaled(25.0f, w, 10.0f)), splat(4.0f) * exp_f32(scaled(0.0f, w, 18.0f))},
            {splat(0.07f) * exp_f32(scaled(0.0f, w, 20.0f)), one / (one + exp_f32(scaled(30.0f, w, 10.0f)))},
            {splat(0.1f) / exprel_f32(scaled(10.0f, w, 10.0f)), splat(0.125f) * exp_f32(scaled(0.0f, w, 80.0f))}};
  }

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    const F half = splat(0.5f), before = s[kV], m = s[kM], h = s[kH], n = s[kN], dt = p[kDt];
    const F quarter = splat(0.25f) * dt, part = half * dt;
    Rates r = rates(before - p[kVRest]);
    F m_in = relaxed(m, r.m[0], r.m[1], quarter), h_in = relaxed(h, r.h[0], r.h[1], quarter), n_in = relaxed(n, r.n[0], r.n[1], quarter);
    const F middle = before + Ionic::change<kG>(p, before, m_in, h_in, n_in, g, i, half * p[kRate]);
    r = rates(middle - p[kVRest]);
    relaxed_twice(m, r.m[0], r.m[1], part, &m_in, &s[kM]);
    relaxed_twice(h, r.h[0], r.h[1], part, &h_in, &s[kH]);
    relaxed_twice(n, r.n[0], r.n[1], part, &n_in, &s[kN]);
    F v = before + Ionic::change<kG>(p, before, m_in, h_in, n_in, g, i, p[kRate]);
    if (kJump) v = v + jump;
    s[kV] = v;
    return below(before, p[kVTh]) & at_least(v, p[kVTh]);
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
