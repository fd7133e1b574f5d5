// GABA-B receptors: transmitter, activated receptors, G protein. The sums are those of receptors/_gabab.py, in their order.
#pragma once

#include "../program.h"
#include "../vectors.h"

namespace neuro4d {
namespace N4_ISA {

struct Gabab {
  static constexpr Field kParams[] = {N4_FIELD("port.cleared"), N4_FIELD("port.bind"), N4_FIELD("port.unbind"), N4_FIELD("port.decay"),
                                      N4_FIELD("port.gain"),    N4_FIELD("port.half"), N4_FIELD("port.g_max"),  N4_FIELD("port.e_rev")};
  static constexpr Field kState[] = {N4_FIELD("port.t"), N4_FIELD("port.r"), N4_FIELD("port.s")};
  static constexpr bool kG = true, kJump = false;
  enum P { kCleared, kBind, kUnbind, kDecay, kGain, kHalf, kGMax, kERev };
  enum S { kT, kR, kS };

  N4_INLINE static void early(const F*, F* s, F arrivals) { s[kT] = s[kT] + arrivals; }

  N4_INLINE static void receive(const F* p, F* s, F arrivals, DriveSum* d) {
    const F bind = p[kBind] * s[kT];
    const F total = bind + p[kUnbind];
    const F r = s[kR] + (bind - total * s[kR]) / total * one_minus_exp_f32(-total);
    const F protein = s[kS] * p[kDecay] + p[kGain] * (s[kR] + r);
    const F x = (s[kS] + protein) * p[kHalf];
    const F square = x * x;
    const F open = square * square;
    const F g = p[kGMax] * (open / (splat(1.0f) + open));
    d->g = d->g + g;
    d->i = d->i + g * p[kERev];
    s[kT] = s[kT] * p[kCleared] + arrivals;
    s[kR] = r;
    s[kS] = protein;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
