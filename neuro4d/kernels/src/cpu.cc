#include "cpu.h"

#if defined(N4_X86_VARIANTS)
#include <cpuid.h>
#endif

namespace neuro4d {

namespace {

#if defined(N4_X86_VARIANTS)
// Conversion of float16, asked of the processor itself: older compilers refuse "f16c" as the name of a feature. Whether the system
// keeps the wide registers is part of the answer for AVX2.
bool has_f16c() {
  unsigned int a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
}
#endif

Isa detect() {
#if defined(N4_X86_VARIANTS)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) return Isa::kAvx512;
  if (avx2) return Isa::kAvx2;
#endif
  return Isa::kBaseline;
}

}  // namespace

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

Isa usable_isa(int64_t wanted) {
  const int64_t best = static_cast<int64_t>(best_isa());
  return wanted < 0 || wanted > best ? best_isa() : static_cast<Isa>(wanted);
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "AVX-512";
    case Isa::kAvx2:
      return "AVX2";
    default:
      return "baseline";
  }
}

}  // namespace neuro4d
