// Pairs of spikes whose potentiation is a power of the weight. The sums are those of `PowerLawSTDP` in plasticity/_power.py.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct PowerLaw {
  static constexpr Field kParams[] = {N4_FIELD("rule.w0"), N4_FIELD("rule.rate"), N4_FIELD("rule.alpha"), N4_FIELD("rule.mu")};
  static constexpr Field kPre[] = {N4_FIELD("pre.plus")};
  static constexpr Field kPost[] = {N4_FIELD("post.minus")};
  static constexpr int kVariants = 1;
  static constexpr bool costly(int) { return true; }
  static int variant(const float*) { return 0; }
  static constexpr bool kPostSeesPost = false, kPassing = false;
  enum P { kW0, kRate, kAlpha, kMu };

  // w0 (w / w0)^mu = w0^(1 - mu) w^mu; the first factor is the same for all synapses.
  template <int>
  N4_INLINE static F on_post(const F* p, F w, const F* pre, const F*) {
    return w + p[kRate] * exp_f32((splat(1.0f) - p[kMu]) * log_f32(p[kW0])) * power(w, p[kMu]) * pre[0];
  }

  template <int>
  N4_INLINE static F on_pre(const F* p, F w, const F*, const F* post) {
    const F after = w - p[kRate] * p[kAlpha] * w * post[0];
    return select(below(after, splat(0.0f)), splat(0.0f), after);
  }

  // w^mu, also of what is not above 0.
  N4_INLINE static F power(F w, F mu) {
    const F zero = splat(0.0f), one = splat(1.0f), raised = select(below(splat(1e-30f), w), exp_f32(mu * log_f32(w)), zero);
    return select(equal(mu, zero), one, select(equal(mu, one), select(below(w, zero), zero, w), raised));
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
