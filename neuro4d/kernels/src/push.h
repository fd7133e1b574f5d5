// The handler `n4_push`.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace neuro4d {

XLA_FFI_DECLARE_HANDLER_SYMBOL(n4_push);

}  // namespace neuro4d
