#define N4_ISA isa_avx2
#include "learn_kernel.h"

namespace neuro4d {

const LearnRule* learn_avx2() { return isa_avx2::kLearnRules; }

}  // namespace neuro4d
