// Izhikevich's two-variable model. The sums are those of `Izhikevich.step` in neurons/_izhikevich.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"
#include "qif.h"

namespace neuro4d {
namespace N4_ISA {

struct Izhikevich {
  static constexpr Field kParams[] = {N4_FIELD("cell.a"),      N4_FIELD("cell.b"),     N4_FIELD("cell.c"),      N4_FIELD("cell.d"),     N4_FIELD("cell.v_peak"),
                                      N4_FIELD("cell.per_c"),  N4_FIELD("cell.slope"), N4_FIELD("cell.offset"), N4_FIELD("cell.v_u"),   N4_FIELD("cell.leak"),
                                      N4_FIELD("cell.half"),   N4_FIELD("cell.dt"),    N4_FIELD("cell.substeps")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"), N4_FIELD("cell.u")};
  enum P { kA, kB, kC, kD, kVPeak, kPerC, kSlope, kOffset, kVU, kLeak, kHalf, kDt, kSubsteps };
  enum S { kV, kU };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    const int substeps = static_cast<int>(first(p[kSubsteps]));  // the same for all neurons of a group; 0: the scheme of second order
    return substeps == 0 ? split<kG, kJump>(p, s, g, i, jump) : euler<kG, kJump>(p, s, g, i, jump, substeps);
  }

  template <bool kG, bool kJump>
  N4_INLINE static I euler(const F* p, F* s, F g, F i, F jump, int substeps) {
    F v = s[kV];
    const F u = s[kU], part = p[kDt] / p[kSubsteps];
    for (int k = 0; k < substeps; ++k) {
      const F inward = kG ? i - g * v : i;
      v = v + part * (splat(0.04f) * v * v + p[kSlope] * v + p[kOffset] - u + p[kPerC] * inward);
    }
    const F recovery = u + p[kDt] * p[kA] * (p[kB] * (v - p[kVU]) - p[kLeak] * u);
    return fire<kJump>(p, s, v, recovery, jump, splat(int32_t{0}));
  }

  template <bool kG, bool kJump>
  N4_INLINE static I split(const F* p, F* s, F g, F i, F jump) {
    I burst;
    F v = s[kV];
    F u = s[kU] + p[kHalf] * (p[kB] * (v - p[kVU]) - p[kLeak] * s[kU]);
    const F slope = kG ? p[kSlope] - p[kPerC] * g : p[kSlope];
    v = quadratic_flow(v, splat(0.04f), slope, p[kOffset] - u + p[kPerC] * i, p[kDt], p[kVPeak], &burst);
    const F seen = select(at_least(v, p[kVPeak]), p[kC], v);
    u = u + p[kHalf] * (p[kB] * (seen - p[kVU]) - p[kLeak] * u);
    return fire<kJump>(p, s, v, u, jump, burst);
  }

  template <bool kJump>
  N4_INLINE static I fire(const F* p, F* s, F v, F u, F jump, I burst) {
    if (kJump) v = v + jump;
    const I spike = at_least(v, p[kVPeak]) | burst;
    s[kV] = select(spike, p[kC], v);
    s[kU] = select(spike, u + p[kD], u);
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
