#define N4_ISA isa_baseline
#include "deliver_kernel.h"

namespace neuro4d {

const DeliverTable& deliver_table_baseline() {
  static const DeliverTable table = isa_baseline::make_table();
  return table;
}

}  // namespace neuro4d
