#define N4_ISA isa_avx512
#include "lif_kernel.h"

namespace neuro4d {

void lif_block_avx512(const LifStep& x, int64_t block) { isa_avx512::lif_block(x, block); }

}  // namespace neuro4d
