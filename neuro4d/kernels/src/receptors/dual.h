// Currents and conductances that rise and decay with a time constant each. The sums are those of receptors/_dual.py and receptors/_nmda.py,
// in their order.
#pragma once

#include "alpha.h"

namespace neuro4d {
namespace N4_ISA {

using DualExpPair = Pair<0, 1>;  // each of the two decays at its own rate

struct DualExpCurrent : DualExpPair {
  static constexpr Field kParams[] = {N4_FIELD("port.fall"), N4_FIELD("port.decay"),     N4_FIELD("port.cross"),
                                      N4_FIELD("port.held"), N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.i")};
  static constexpr bool kG = false, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) { current(p, s, arrivals, d); }
};

struct DualExpConductance : DualExpPair {
  static constexpr Field kParams[] = {N4_FIELD("port.fall"), N4_FIELD("port.decay"),     N4_FIELD("port.cross"),
                                      N4_FIELD("port.held"), N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight"),
                                      N4_FIELD("port.e_rev")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) { conductance(p, s, mean(p, s), arrivals, d); }
};

// A conductance that magnesium blocks, as far as the potential at the beginning of the step says.
struct Nmda : DualExpPair {
  static constexpr Field kParams[] = {N4_FIELD("port.fall"),  N4_FIELD("port.decay"),     N4_FIELD("port.cross"),
                                      N4_FIELD("port.held"),  N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight"),
                                      N4_FIELD("port.e_rev"), N4_FIELD("port.block"),     N4_FIELD("port.steepness")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false, kSeesV = true;
  enum Block { kBlock = kFurther, kSteepness };

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    const F exponent = -p[kSteepness] * d->v;
    const F opposed = exp_f32(select(below(splat(80.0f), exponent), splat(80.0f), exponent));
    conductance(p, s, mean(p, s) / (splat(1.0f) + p[kBlock] * opposed), arrivals, d);
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
