// Pairs and triplets of spikes. The sums are those of `TripletSTDP` in plasticity/_triplet.py, up to rounding.
#pragma once

#include "stdp.h"

namespace neuro4d {
namespace N4_ISA {

struct Triplet {
  static constexpr Field kParams[] = {N4_FIELD("rule.w_max"), N4_FIELD("rule.a2_plus"), N4_FIELD("rule.a3_plus"), N4_FIELD("rule.a2_minus"),
                                      N4_FIELD("rule.a3_minus")};
  static constexpr Field kPre[] = {N4_FIELD("pre.r1"), N4_FIELD("pre.r2")};
  static constexpr Field kPost[] = {N4_FIELD("post.o1"), N4_FIELD("post.o2")};
  static constexpr int kVariants = 1;
  static constexpr bool costly(int) { return true; }
  static int variant(const float*) { return 0; }
  static constexpr bool kPostSeesPost = true, kPassing = false;
  enum P { kWMax, kA2Plus, kA3Plus, kA2Minus, kA3Minus };

  template <int>
  N4_INLINE static F on_post(const F* p, F w, const F* pre, const F* post) {
    return Stdp::bounded(p, w + p[kWMax] * pre[0] * (p[kA2Plus] + p[kA3Plus] * post[1]));
  }

  template <int>
  N4_INLINE static F on_pre(const F* p, F w, const F* pre, const F* post) {
    return Stdp::bounded(p, w - p[kWMax] * post[0] * (p[kA2Minus] + p[kA3Minus] * pre[1]));
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
