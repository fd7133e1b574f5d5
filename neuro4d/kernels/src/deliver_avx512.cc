#define N4_ISA isa_avx512
#include "deliver_kernel.h"

namespace neuro4d {

const DeliverTable& deliver_table_avx512() {
  static const DeliverTable table = isa_avx512::make_table();
  return table;
}

}  // namespace neuro4d
