// Which instruction set this machine offers, asked once when the module is loaded.
#pragma once

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#include "types.h"

namespace neuro4d {

Isa best_isa();

// `wanted` (0 baseline, 1 AVX2, 2 AVX-512; negative: the best), never above what the machine offers.
Isa usable_isa(int64_t wanted);

// Position of the lowest bit set in a word that is not 0.
inline int32_t lowest_bit(uint32_t word) {
#if defined(_MSC_VER)
  unsigned long at;
  _BitScanForward(&at, word);
  return static_cast<int32_t>(at);
#else
  return __builtin_ctz(word);
#endif
}

const char* isa_name(Isa isa);

}  // namespace neuro4d
