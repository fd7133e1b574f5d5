#define N4_ISA isa_avx2
#include "block.h"
#include "deliver_kernel.h"

namespace neuro4d {

const LearnRule* learn_avx2();

const Kernels& kernels_avx2() {
  static const Kernels offered{isa_avx2::step_block, isa_avx2::make_table(), learn_avx2()};
  return offered;
}

}  // namespace neuro4d
