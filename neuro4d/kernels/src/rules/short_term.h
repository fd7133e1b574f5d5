// Depression and facilitation. The sums are those of `TsodyksMarkram` in plasticity/_short_term.py, up to rounding.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

// A spike releases a share of the strength of a synapse that its source and delay decide alone: nothing happens at targets.
struct ShortTerm {
  static constexpr Field kParams[] = {N4_FIELD("rule.use"), N4_FIELD("rule.tau_rec"), N4_FIELD("rule.tau_in")};
  static constexpr Field kPre[] = {N4_FIELD("pre.u"), N4_FIELD("pre.x"), N4_FIELD("pre.y")};
  static constexpr NoFields kPost{};
  static constexpr bool kPostSeesPost = false, kPassing = true;
  static constexpr int kVariants = 1;
  static int variant(const float*) { return 0; }
  enum P { kUse, kTauRec, kTauIn };
  enum V { kU, kX, kY };

  // What is held some steps after the last spike; `rates` of the three, per step.
  N4_INLINE static void rest(const float* p, const float* rates, float steps, float* held) {
    const float facilitated = first(fading_f32(splat(-rates[kU] * steps))), recovered = first(fading_f32(splat(-rates[kX] * steps)));
    const float active = first(fading_f32(splat(-rates[kY] * steps)));
    const float used_up = p[kTauIn] == 0.0f ? recovered : p[kTauRec] * (active - recovered) / (p[kTauIn] - p[kTauRec]);
    const float inactive = (1.0f - held[kX] - held[kY]) * recovered + held[kY] * used_up;
    held[kY] = p[kTauIn] == 0.0f ? 0.0f : held[kY] * active;
    held[kX] = 1.0f - held[kY] - inactive;
    held[kU] *= facilitated;
  }

  // The share that a spike releases from what is held.
  N4_INLINE static float released(const float* p, const float* held) { return used(p, held) * held[kX]; }

  N4_INLINE static void arrive(const float* p, float* held) {
    const float share = used(p, held), gone = share * held[kX];
    held[kU] = share;
    held[kX] -= gone;
    held[kY] += gone;
  }

  N4_INLINE static float used(const float* p, const float* held) { return held[kU] + p[kUse] * (1.0f - held[kU]); }
};

}  // namespace N4_ISA
}  // namespace neuro4d
