// Inhibition that balances its target. The sums are those of `VogelsInhibitory` in plasticity/_vogels.py, up to rounding.
#pragma once

#include "stdp.h"

namespace neuro4d {
namespace N4_ISA {

struct Vogels {
  static constexpr Field kParams[] = {N4_FIELD("rule.w_max"), N4_FIELD("rule.eta"), N4_FIELD("rule.alone")};
  static constexpr Field kPre[] = {N4_FIELD("pre.x")};
  static constexpr Field kPost[] = {N4_FIELD("post.y")};
  static constexpr int kVariants = 1;
  static constexpr bool costly(int) { return false; }
  static int variant(const float*) { return 0; }
  static constexpr bool kPostSeesPost = false, kPassing = false;
  enum P { kWMax, kEta, kAlone };

  template <int>
  N4_INLINE static F on_post(const F* p, F w, const F* pre, const F*) { return grown(p, w, pre[0]); }
  template <int>
  N4_INLINE static F on_pre(const F* p, F w, const F*, const F* post) { return grown(p, w, post[0] - p[kAlone]); }

  N4_INLINE static F grown(const F* p, F w, F by) {
    const F change = p[kEta] * by;
    return Stdp::bounded(p, select(below(p[kWMax], splat(0.0f)), w - change, w + change));
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
