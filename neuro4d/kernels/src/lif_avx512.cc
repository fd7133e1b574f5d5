#define N4_ISA isa_avx512
#include "lif_kernel.h"

namespace neuro4d {

void lif_block_avx512(const LifStep& x, int64_t block, Scratch* room) { isa_avx512::lif_block(x, block, room); }

}  // namespace neuro4d
