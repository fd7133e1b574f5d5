// The handler `n4_run`.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace neuro4d {

XLA_FFI_DECLARE_HANDLER_SYMBOL(n4_run);

}  // namespace neuro4d
