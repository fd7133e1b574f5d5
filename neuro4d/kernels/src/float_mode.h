// How this thread treats subnormal numbers and rounds. A sum must not depend on the thread that makes it.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace neuro4d {

#if defined(__x86_64__) || defined(_M_X64)
using FloatMode = uint32_t;
inline FloatMode float_mode() { return _mm_getcsr() & ~0x3Fu; }  // without the sticky exception flags
inline void set_float_mode(FloatMode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__) && !defined(_MSC_VER)
using FloatMode = uint64_t;
inline FloatMode float_mode() {
  FloatMode mode;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void set_float_mode(FloatMode mode) { __asm__ __volatile__("msr fpcr, %0" : : "r"(mode)); }
#else
using FloatMode = uint32_t;
inline FloatMode float_mode() { return 0; }
inline void set_float_mode(FloatMode) {}
#endif

// Takes over a mode for the length of a scope.
class ScopedFloatMode {
 public:
  explicit ScopedFloatMode(FloatMode mode) : before_(float_mode()) { set_float_mode(mode); }
  ~ScopedFloatMode() { set_float_mode(before_); }
  ScopedFloatMode(const ScopedFloatMode&) = delete;
  ScopedFloatMode& operator=(const ScopedFloatMode&) = delete;

 private:
  FloatMode before_;
};

}  // namespace neuro4d
