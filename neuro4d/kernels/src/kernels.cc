// What the machine offers, and the manifest of cells, receptors and rules.
#define N4_ISA isa_baseline
#include "cpu.h"
#include "parts.h"
#include "program.h"
#include "rules.h"

namespace neuro4d {

const Kernels& kernels_baseline();
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();

const Kernels& kernels(int64_t wanted) {
#if defined(N4_X86_VARIANTS)
  switch (usable_isa(wanted)) {
    case Isa::kAvx512:
      return kernels_avx512();
    case Isa::kAvx2:
      return kernels_avx2();
    default:
      break;
  }
#else
  (void)wanted;
#endif
  return kernels_baseline();
}

const Manifest& manifest() {
  using namespace isa_baseline;
#define N4_CELL(name, type) {name, ParamsOf<type>::kFields, ParamsOf<type>::kN, StateOf<type>::kFields, StateOf<type>::kN, \
   IsMade<type>::kIs, false, false, false, TakesWords<type>::kIs, v_of<type>()},
#define N4_RECEPTOR(name, type) \
  {name, ParamsOf<type>::kFields, ParamsOf<type>::kN, StateOf<type>::kFields, StateOf<type>::kN, \
   false, type::kG, type::kJump, SeesV<type>::kIs, false, -1},
  static const Part cells[] = {N4_CELLS(N4_CELL)};
  static const Part receptors[] = {N4_RECEPTORS(N4_RECEPTOR)};
#define N4_RULE(name, type) \
  {name, type::kParams, sizeof(type::kParams) / sizeof(Field), type::kPre, sizeof(type::kPre) / sizeof(Field), \
   first_of(type::kPost), count_of(type::kPost), type::kPostSeesPost, type::kPassing},
  static const RulePart rules[] = {N4_RULES(N4_RULE)};
#undef N4_CELL
#undef N4_RECEPTOR
#undef N4_RULE
  static const Manifest known{cells, sizeof(cells) / sizeof(Part), receptors, sizeof(receptors) / sizeof(Part), rules, sizeof(rules) / sizeof(RulePart)};
  return known;
}

}  // namespace neuro4d
