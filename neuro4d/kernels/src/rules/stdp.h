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
  static constexpr bool kPostSeesPost = false, kPassing = false;
  enum P { kWMax, kAPlus, kAMinus, kMuPlus, kMuMinus };

  // How changes depend on the weight, which decides what they cost.
  enum Variant { kAdditive, kMultiplicative, kAny };
  static constexpr int kVariants = 3;
  static constexpr bool costly(int variant) { return variant == kAny; }
  static int variant(const float* p) {
    if (p[kMuPlus] == 0.0f && p[kMuMinus] == 0.0f) return kAdditive;
    return p[kMuPlus] == 1.0f && p[kMuMinus] == 1.0f ? kMultiplicative : kAny;
  }

  // The target fires.
  template <int kVariant>
  N4_INLINE static F on_post(const F* p, F w, const F* pre, const F*) {
    return bounded(p, w + p[kAPlus] * power<kVariant>(p[kWMax] - w, p[kWMax], p[kMuPlus]) * pre[0]);
  }

  // A spike arrives.
  template <int kVariant>
  N4_INLINE static F on_pre(const F* p, F w, const F*, const F* post) {
    return bounded(p, w - p[kAMinus] * power<kVariant>(w, p[kWMax], p[kMuMinus]) * post[0]);
  }

  // Kept between 0 and w_max, which may be negative.
  N4_INLINE static F bounded(const F* p, F w) {
    const F zero = splat(0.0f), most = p[kWMax];
    return within(select(below(most, zero), most, zero), select(below(most, zero), zero, most), w);
  }

  // w_max (w / w_max)^mu of a weight between 0 and w_max, also where it lies outside.
  template <int kVariant>
  N4_INLINE static F power(F w, F w_max, F mu) {
    if (kVariant == kAdditive) return w_max;
    const F zero = splat(0.0f), inside = within(select(below(w_max, zero), w_max, zero), select(below(w_max, zero), zero, w_max), w);
    if (kVariant == kMultiplicative) return inside;
    const F share = inside / w_max, one = splat(1.0f);
    const F raised = select(below(splat(1e-30f), share), exp_f32(mu * log_f32(share)), zero);
    return w_max * select(equal(mu, zero), one, select(equal(mu, one), share, raised));
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
