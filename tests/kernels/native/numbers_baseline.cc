#define N4_ISA test_baseline
#include "numbers_kernel.h"

namespace n4_test {

Numbers numbers_baseline() { return neuro4d::test_baseline::numbers(); }

}  // namespace n4_test
