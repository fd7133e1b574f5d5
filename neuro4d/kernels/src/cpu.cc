#include "cpu.h"

namespace neuro4d {

namespace {

Isa detect() {
#if defined(N4_X86_VARIANTS)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
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

const DeliverTable& deliver_table(int64_t wanted) {
#if defined(N4_X86_VARIANTS)
  switch (usable_isa(wanted)) {
    case Isa::kAvx512:
      return deliver_table_avx512();
    case Isa::kAvx2:
      return deliver_table_avx2();
    default:
      break;
  }
#else
  (void)wanted;
#endif
  return deliver_table_baseline();
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
