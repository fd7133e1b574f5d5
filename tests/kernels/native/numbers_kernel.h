// Included once per instruction set, with N4_ISA naming it.
#include "deliver_kernel.h"
#include "noise.h"
#include "numbers.h"
#include "poisson_kernel.h"
#include "simd.h"

namespace neuro4d {
namespace N4_ISA {

inline void one_minus_exponential(const float* x, int64_t n, float* out) {
  for (int64_t j = 0; j < n; j += kLanes) store(out + j, one_minus_exp_f32(load<F>(x + j)));
}

inline void exponential(const float* x, int64_t n, float* out) {
  for (int64_t j = 0; j < n; j += kLanes) store(out + j, exp_f32(load<F>(x + j)));
}

inline void exprel(const float* x, int64_t n, float* out) {
  for (int64_t j = 0; j < n; j += kLanes) store(out + j, exprel_f32(load<F>(x + j)));
}

inline void logarithm(const float* x, int64_t n, float* out) {
  for (int64_t j = 0; j < n; j += kLanes) store(out + j, log_f32(load<F>(x + j)));
}

inline void normal(const uint32_t* words, int64_t n, float* out) {
  for (int64_t j = 0; j < n; j += kLanes) store(out + j, normal_of(load<U>(words + j)));
}

inline void widen_f16(const uint16_t* x, int64_t n, float* out) { widen_chunk(out, reinterpret_cast<const F16*>(x), n); }

inline void widen_bf16(const uint16_t* x, int64_t n, float* out) { widen_chunk(out, reinterpret_cast<const BF16*>(x), n); }

inline void poisson(const GroupStep& x, const PoissonInput& input, int64_t first, int64_t n, float* arrivals) {
  add_poisson_input({x.elapsed, {x.key[0], x.key[1]}}, input, Piece{first, n}, arrivals);
}

inline n4_test::Numbers numbers() { 
  return {one_minus_exponential, exponential, exprel, logarithm, normal, widen_f16, widen_bf16, poisson};
 }

}  // namespace N4_ISA
}  // namespace neuro4d
