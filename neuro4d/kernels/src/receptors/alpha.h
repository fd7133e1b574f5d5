// Currents and conductances with the time course of an alpha function. The sums are those of receptors/_alpha.py, in their order.
#pragma once

#include "../program.h"
#include "../vectors.h"

namespace neuro4d {
namespace N4_ISA {

// The pair (rise, value): both decay, the rise feeds the value. Parameters from `kDecay` on are, in this order, the decay of the value, what
// the rise feeds into it, the held equivalents of both, the jump of the rise per weight, the reversal; number `kFall` is the decay of the rise.
template <int kFall, int kDecay>
struct Pair {
  enum P { kCross = kDecay + 1, kHeld, kHeldRise, kPerWeight, kERev, kFurther };
  enum S { kRise, kValue };

  N4_INLINE static void early(const F* p, F* s, F arrivals) { s[kRise] = s[kRise] + p[kPerWeight] * arrivals; }

  N4_INLINE static F mean(const F* p, const F* s) { return s[kValue] * p[kHeld] + s[kRise] * p[kHeldRise]; }

  N4_INLINE static void move(const F* p, F* s, F arrivals) {
    const F later = s[kValue] * p[kDecay] + s[kRise] * p[kCross];
    s[kRise] = s[kRise] * p[kFall] + p[kPerWeight] * arrivals;
    s[kValue] = later;
  }

  N4_INLINE static void current(const F* p, F* s, F arrivals, DriveSum* d) {
    d->i = d->i + mean(p, s);
    move(p, s, arrivals);
  }

  // `g`: the mean of the value, or what is left of it.
  N4_INLINE static void conductance(const F* p, F* s, F g, F arrivals, DriveSum* d) {
    d->g = d->g + g;
    d->i = d->i + g * p[kERev];
    move(p, s, arrivals);
  }
};

using AlphaPair = Pair<0, 0>;

struct AlphaCurrent : AlphaPair {
  static constexpr Field kParams[] = {N4_FIELD("port.decay"), N4_FIELD("port.cross"), N4_FIELD("port.held"), N4_FIELD("port.held_rise"),
                                      N4_FIELD("port.per_weight")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.i")};
  static constexpr bool kG = false, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) { current(p, s, arrivals, d); }
};

struct AlphaConductance : AlphaPair {
  static constexpr Field kParams[] = {N4_FIELD("port.decay"),     N4_FIELD("port.cross"),      N4_FIELD("port.held"),
                                      N4_FIELD("port.held_rise"), N4_FIELD("port.per_weight"), N4_FIELD("port.e_rev")};
  static constexpr Field kState[] = {N4_FIELD("port.rise"), N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false;

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) { conductance(p, s, mean(p, s), arrivals, d); }
};

}  // namespace N4_ISA
}  // namespace neuro4d
