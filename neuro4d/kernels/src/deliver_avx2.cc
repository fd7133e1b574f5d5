#define N4_ISA isa_avx2
#include "deliver_kernel.h"

namespace neuro4d {

const DeliverTable& deliver_table_avx2() {
  static const DeliverTable table = isa_avx2::make_table();
  return table;
}

}  // namespace neuro4d
