// A neuron that fires at random. The sums are those of `PoissonNeuron.step` in neurons/_poisson.py, in their order.
#pragma once

#include "../program.h"
#include "../words.h"

namespace neuro4d {
namespace N4_ISA {

struct PoissonNeuron {
  static constexpr Field kParams[] = {N4_FIELD("cell.chance"), N4_FIELD("cell.t_ref"), N4_FIELD("cell.dt")};
  static constexpr Field kState[] = {N4_FIELD("cell.silent")};
  static constexpr bool kRandom = true;
  enum P { kChance, kTRef, kDt };
  enum S { kSilent };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F, F, F, U words) {
    const I free = below(s[kSilent], splat(0.5f) * p[kDt]);
    const F excess = p[kChance] - floats_of_words(words) * splat(0x1p-32f);
    const I spike = free & below(splat(0.0f), excess);
    s[kSilent] = select(spike, p[kTRef], select(free, splat(0.0f), s[kSilent] - p[kDt]));
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
