// Receptors without a time course of their own: see receptors/_instant.py.
#pragma once

#include "../program.h"
#include "../vectors.h"

namespace neuro4d {
namespace N4_ISA {

struct Delta {
  static constexpr bool kG = false, kJump = true;

  N4_INLINE static void early(const F*, F*, F) {}

  N4_INLINE static void receive(const F*, F*, F arrivals, DriveSum* d) { d->jump = d->jump + arrivals; }
};

struct PulseCurrent {
  static constexpr Field kState[] = {N4_FIELD("port.i")};
  static constexpr bool kG = false, kJump = false;

  N4_INLINE static void early(const F*, F* s, F arrivals) { s[0] = s[0] + arrivals; }

  N4_INLINE static void receive(const F*, F* s, F arrivals, DriveSum* d) {
    d->i = d->i + s[0];
    s[0] = arrivals;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
