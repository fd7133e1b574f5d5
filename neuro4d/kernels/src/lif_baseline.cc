#define N4_ISA isa_baseline
#include "lif_kernel.h"

namespace neuro4d {

void lif_block_baseline(const LifStep& x, int64_t block, Scratch* room) { isa_baseline::lif_block(x, block, room); }

}  // namespace neuro4d
