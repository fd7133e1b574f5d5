#define N4_ISA isa_baseline
#include "learn_kernel.h"

namespace neuro4d {

const LearnEntry* learn_baseline() { return isa_baseline::kLearnEntries; }

}  // namespace neuro4d
