// Random words by address: a word for every neuron, entity and step. Included once per instruction set, with N4_ISA naming it.
#pragma once

#include <cstdint>

#include "simd.h"

namespace neuro4d {
namespace N4_ISA {

// The step since the beginning of the trial, and the key of the trial.
struct Clock {
  uint32_t elapsed;
  uint32_t key[2];
};

// Where the random words of an entity begin in a step.
struct Address {
  uint32_t a, b;
};

inline Address address_of(const Clock& x, uint32_t a0, uint32_t b0) {
  return {mix(mix(x.elapsed ^ (x.key[0] + a0)) + (x.key[1] ^ b0)), mix(mix(x.elapsed + (x.key[1] ^ a0)) ^ (x.key[0] + b0))};
}

// 0, 1, 2, ... in the lanes: loaded, since a vector put together lane by lane waits for its stores.
alignas(64) constexpr uint32_t kLaneNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

template <typename Where>
N4_INLINE U words_of(uint32_t local, const Where& d) {
  return mix(mix((load<U>(kLaneNumbers) + local) ^ d.a) + d.b);
}

// The words themselves, each rounded to the nearest float.
N4_INLINE F floats_of_words(U word) {
  return floats_of(same_bits<I>(word >> 16)) * splat(65536.0f) + floats_of(same_bits<I>(word & 0xFFFFu));
}

}  // namespace N4_ISA
}  // namespace neuro4d
