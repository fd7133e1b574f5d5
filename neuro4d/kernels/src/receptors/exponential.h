// Currents and conductances with an exponential time course. The sums are those of receptors/_exponential.py, in their order.
#pragma once

#include "../program.h"
#include "../vectors.h"

namespace neuro4d {
namespace N4_ISA {

struct ExpCurrent {
  static constexpr Field kParams[] = {N4_FIELD("port.decay"), N4_FIELD("port.held")};
  static constexpr Field kState[] = {N4_FIELD("port.i")};
  static constexpr bool kG = false, kJump = false;
  enum P { kDecay, kHeld };

  N4_INLINE static void early(const F*, F* s, F arrivals) { s[0] = s[0] + arrivals; }

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    d->i = d->i + s[0] * p[kHeld];
    s[0] = s[0] * p[kDecay] + arrivals;
  }
};

struct ExpConductance {
  static constexpr Field kParams[] = {N4_FIELD("port.decay"), N4_FIELD("port.held"), N4_FIELD("port.e_rev")};
  static constexpr Field kState[] = {N4_FIELD("port.g")};
  static constexpr bool kG = true, kJump = false;
  enum P { kDecay, kHeld, kERev };

  N4_INLINE static void early(const F*, F* s, F arrivals) { s[0] = s[0] + arrivals; }

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    const F mean = s[0] * p[kHeld];
    d->g = d->g + mean;
    d->i = d->i + mean * p[kERev];
    s[0] = s[0] * p[kDecay] + arrivals;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
