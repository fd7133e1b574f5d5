// A neuron whose equations are not compiled: what acts on it is handed out, its update and its spikes follow in XLA.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Foreign {
  static constexpr Field kState[] = {N4_FIELD("cell.g"), N4_FIELD("cell.i"), N4_FIELD("cell.jump")};
  static constexpr bool kMade = true;
  enum S { kG, kI, kJump };

  template <bool kWithG, bool kWithJump>
  N4_INLINE static I step(const F*, F* s, F g, F i, F jump) {
    s[kG] = kWithG ? g : splat(0.0f);
    s[kI] = i;
    s[kJump] = kWithJump ? jump : splat(0.0f);
    return below(splat(0.0f), splat(0.0f));
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
