// Slopes of the targets on their way back to weights and spikes: the transpose of the derivative of delivery.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace neuro4d {

XLA_FFI_DECLARE_HANDLER_SYMBOL(n4_collect);

}  // namespace neuro4d
