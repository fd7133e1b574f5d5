// A neuron that repeats what it receives. The sums are those of `Relay.step` in neurons/_relay.py.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Relay {
  static constexpr Field kState[] = {N4_FIELD("cell.waiting")};
  enum S { kWaiting };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F*, F* s, F, F, F jump) {
    const F total = kJump ? s[kWaiting] + jump : s[kWaiting];
    const F later = total - splat(1.0f);
    s[kWaiting] = select(at_least(later, splat(0.5f)), later, splat(0.0f));
    return below(splat(0.0f), total);
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
