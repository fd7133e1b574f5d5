// Asking memory for what is read soon.
#pragma once

#if defined(_MSC_VER)
#include <intrin.h>
#if defined(_M_X64)
#define N4_PREFETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0)
#else
#define N4_PREFETCH(p) ((void)(p))
#endif
#else
#define N4_PREFETCH(p) __builtin_prefetch(p, 0, 3)
#endif
