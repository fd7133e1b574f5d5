// Pairs of spikes. The sums are those of `STDP` in plasticity/_stdp.py, up to rounding: in the unit of the weights instead of shares.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Stdp {
  static constexpr Field kParams[] = {N4_FIELD("rule.w_max"), N4_FIELD("rule.a_plus"), N4_FIELD("rule.a_minus"), N4_FIELD("rule.mu_plus"),
                                      N4_FIELD("rule.mu_minus")};
  static constexpr Field kPre[] = {N4_FIELD("pre.plus")};
  static constexpr Field kPost[] = {N4_FIELD("post.minus")};
  static constexpr bool kPostSeesPost = false;
  enum P { kWMax, kAPlus, kAMinus, kMuPlus, kMuMinus };

  // The target fires.
  N4_INLINE static F on_post(const F* p, F w, const F* pre, const F*) {
    return bounded(p, w + p[kAPlus] * power(p[kWMax] - w, p[kWMax], p[kMuPlus]) * pre[0]);
  }

  // A spike arrives.
  N4_INLINE static F on_pre(const F* p, F w, const F*, const F* post) {
    return bounded(p, w - p[kAMinus] * power(w, p[kWMax], p[kMuMinus]) * post[0]);
  }

  N4_INLINE static F bounded(const F* p, F w) {
    const F zero = splat(0.0f);
    return first(p[kWMax]) > 0 ? within(zero, p[kWMax], w) : within(p[kWMax], zero, w);
  }

  // w_max (w / w_max)^mu of a weight between 0 and w_max, also where it lies outside.
  N4_INLINE static F power(F w, F w_max, F mu) {
    if (first(mu) == 0) return w_max;
    const bool positive = first(w_max) > 0;
    const F inside = positive ? within(splat(0.0f), w_max, w) : within(w_max, splat(0.0f), w);
    if (first(mu) == 1) return inside;
    const F share = inside / w_max;
    return select(below(splat(1e-30f), share), w_max * exp_f32(mu * log_f32(share)), splat(0.0f));
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
