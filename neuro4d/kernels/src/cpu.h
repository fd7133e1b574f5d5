// Which instruction set this machine offers, asked once when the module is loaded.
#pragma once

#include "types.h"

namespace neuro4d {

Isa best_isa();

// The table for `wanted` (0 baseline, 1 AVX2, 2 AVX-512; negative: the best), never above what the machine offers.
const DeliverTable& deliver_table(int64_t wanted);

const char* isa_name(Isa isa);

}  // namespace neuro4d
