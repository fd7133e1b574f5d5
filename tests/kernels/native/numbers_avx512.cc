#define N4_ISA test_avx512
#include "numbers_kernel.h"

namespace n4_test {

Numbers numbers_avx512() { return neuro4d::test_avx512::numbers(); }

}  // namespace n4_test
