#define N4_ISA isa_baseline
#include "block.h"
#include "deliver_kernel.h"

namespace neuro4d {

const LearnRule* learn_baseline();

const Kernels& kernels_baseline() {
  static const Kernels offered{isa_baseline::step_block, isa_baseline::make_table(), learn_baseline()};
  return offered;
}

}  // namespace neuro4d
