#define N4_ISA isa_avx512
#include "learn_kernel.h"

namespace neuro4d {

const LearnRule* learn_avx512() { return isa_avx512::kLearnRules; }

}  // namespace neuro4d
