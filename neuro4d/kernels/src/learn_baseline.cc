#define N4_ISA isa_baseline
#include "learn_kernel.h"

namespace neuro4d {

const LearnRule* learn_baseline() { return isa_baseline::kLearnRules; }

}  // namespace neuro4d
