// Currents and conductances with the time course of an alpha function. The sums are those of receptors/_alpha.py, in their order.
#pragma once

#include "../program.h"
#include "../vectors.h"

namespace neuro4d {
namespace N4_ISA {

// The pair (rise, value): both decay, the rise feeds the value.
struct AlphaPair {
  enum P { kDecay, kCross, kHeld, kHeldRise, kPerWeight, kERev };
  enum S { kRise, kValue };

  N4_INLINE static void early(const F* p, F* s, F arrivals) { s[kRise] = s[kRise] + p[kPerWeight] * arrivals; }

  N4_INLINE static F mean(const F* p, const F* s) { return s[kValue] * p[kHeld] + s[kRise] * p[kHeldRise]; }

  N4_INLINE static void move(const F* p, F* s, F arrivals) {
    const F later = s[kValue] * p[kDecay] + s[kRise] * p[kCross];
    s[kRise] = s[kRise] * p[kDecay] + p[kPerWeight] * arrivals;
    s[kValue] = later;
  }
};

struct AlphaCurrent : AlphaPair {
  static constexpr Field kParams[] = {N4_FIELD("port.decay"), N4_FIELD("port.cross"), N4_FIELD("port.held"), N4_FIELD("port.held_rise"),
                                      N4_FIELD("port.per_weight")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.i")};
  static constexpr bool kG = false, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    d->i = d->i + mean(p, s);
    move(p, s, arrivals);
  }
};

struct AlphaConductance : AlphaPair {
  static constexpr Field kParams[] = {N4_FIELD("port.decay"),     N4_FIELD("port.cross"),      N4_FIELD("port.held"),
                                      N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight"), N4_FIELD("port.e_rev")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    const F g = mean(p, s);
    d->g = d->g + g;
    d->i = d->i + g * p[kERev];
    move(p, s, arrivals);
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
