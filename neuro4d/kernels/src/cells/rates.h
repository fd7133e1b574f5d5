// Gates and membranes of the Hodgkin-Huxley kind: the sums of neurons/_rates.py, in their order.
#pragma once

#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

constexpr float kFarFromRest = 300.0f;  // mV; beyond it rates stay what they are there

// A gate after dt with both rates held.
N4_INLINE F relaxed(F gate, F opening, F closing, F dt) {
  const F total = opening + closing;
  return gate + (opening / total - gate) * one_minus_exp_f32(splat(0.0f) - dt * total);
}

// A gate after dt and after twice as long.
N4_INLINE void relaxed_twice(F gate, F opening, F closing, F dt, F* once, F* twice) {
  const F total = opening + closing;
  const F way = opening / total - gate, share = one_minus_exp_f32(splat(0.0f) - dt * total);
  *once = gate + way * share;
  *twice = gate + way * (share * (splat(2.0f) - share));
}

// How far a membrane of leak, sodium, potassium and what acts on it moves from v while all conductances are held. The parameters begin with
// those of `Ionic`.
struct Ionic {
  enum P { kDt, kRate, kGLeak, kGNa, kGK, kELeak, kENa, kEK };

  template <bool kG>
  N4_INLINE static F change(const F* p, F v, F m, F h, F n, F g, F i, F rate) {
    const F g_na = p[kGNa] * (m * m * m * h), g_k = p[kGK] * (n * n * (n * n));
    F total = p[kGLeak] + g_na + g_k;
    F inward = p[kGLeak] * (p[kELeak] - v) + g_na * (p[kENa] - v) + g_k * (p[kEK] - v) + i;
    if (kG) {
      total = total + g;
      inward = inward - g * v;
    }
    return inward / total * one_minus_exp_f32(splat(0.0f) - rate * total);
  }
};

// (a - w) / b, the arguments of rates.
N4_INLINE F scaled(float a, F w, float b) { return (splat(a) - w) / splat(b); }

}  // namespace N4_ISA
}  // namespace neuro4d
