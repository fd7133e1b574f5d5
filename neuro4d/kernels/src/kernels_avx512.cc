#define N4_ISA isa_avx512
#include "block.h"
#include "deliver_kernel.h"

namespace neuro4d {

const LearnRule* learn_avx512();

const Kernels& kernels_avx512() {
  static const Kernels offered{isa_avx512::step_block, isa_avx512::make_table(), learn_avx512()};
  return offered;
}

}  // namespace neuro4d
