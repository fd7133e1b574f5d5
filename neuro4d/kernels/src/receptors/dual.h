// Currents and conductances that rise and decay with a time constant each. The sums are those of receptors/_dual.py and receptors/_nmda.py,
// in their order.
#pragma once

#include "../program.h"
#include "../vectors.h"

namespace neuro4d {
namespace N4_ISA {

// The pair (rise, value): each decays at its own rate, the rise feeds the value.
struct DualExpPair {
  enum P { kFall, kDecay, kCross, kHeld, kHeldRise, kPerWeight, kERev, kBlock, kSteepness };
  enum S { kRise, kValue };

  N4_INLINE static void early(const F* p, F* s, F arrivals) { s[kRise] = s[kRise] + p[kPerWeight] * arrivals; }

  N4_INLINE static F mean(const F* p, const F* s) { return s[kValue] * p[kHeld] + s[kRise] * p[kHeldRise]; }

  N4_INLINE static void move(const F* p, F* s, F arrivals) {
    const F later = s[kValue] * p[kDecay] + s[kRise] * p[kCross];
    s[kRise] = s[kRise] * p[kFall] + p[kPerWeight] * arrivals;
    s[kValue] = later;
  }
};

struct DualExpCurrent : DualExpPair {
  static constexpr Field kParams[] = {N4_FIELD("port.fall"), N4_FIELD("port.decay"),     N4_FIELD("port.cross"),
                                      N4_FIELD("port.held"), N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.i")};
  static constexpr bool kG = false, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    d->i = d->i + mean(p, s);
    move(p, s, arrivals);
  }
};

struct DualExpConductance : DualExpPair {
  static constexpr Field kParams[] = {N4_FIELD("port.fall"), N4_FIELD("port.decay"),     N4_FIELD("port.cross"),
                                      N4_FIELD("port.held"), N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight"),
                                      N4_FIELD("port.e_rev")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    const F g = mean(p, s);
    d->g = d->g + g;
    d->i = d->i + g * p[kERev];
    move(p, s, arrivals);
  }
};

// A conductance that magnesium blocks, as far as the potential at the beginning of the step says.
struct Nmda : DualExpPair {
  static constexpr Field kParams[] = {N4_FIELD("port.fall"),  N4_FIELD("port.decay"),     N4_FIELD("port.cross"),
                                      N4_FIELD("port.held"),  N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight"),
                                      N4_FIELD("port.e_rev"), N4_FIELD("port.block"),     N4_FIELD("port.steepness")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false, kSeesV = true;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    const F exponent = -p[kSteepness] * d->v;
    const F opposed = exp_f32(select(below(splat(80.0f), exponent), splat(80.0f), exponent));
    const F g = mean(p, s) / (splat(1.0f) + p[kBlock] * opposed);
    d->g = d->g + g;
    d->i = d->i + g * p[kERev];
    move(p, s, arrivals);
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
