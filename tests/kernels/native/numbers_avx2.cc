#define N4_ISA test_avx2
#include "numbers_kernel.h"

namespace n4_test {

Numbers numbers_avx2() { return neuro4d::test_avx2::numbers(); }

}  // namespace n4_test
