// Exponentials, ln x, normal numbers, wider weights and Poisson counts of each instruction set, behind one table.
#pragma once

#include <cstdint>

#include "program.h"

namespace n4_test {

struct Numbers {
  void (*one_minus_exponential)(const float* x, int64_t n, float* out);  // n is a multiple of 16
  void (*exponential)(const float* x, int64_t n, float* out);            // the same
  void (*exprel)(const float* x, int64_t n, float* out);                 // the same
  void (*logarithm)(const float* x, int64_t n, float* out);              // the same
  void (*normal)(const uint32_t* words, int64_t n, float* out);          // the same
  void (*widen_f16)(const uint16_t* x, int64_t n, float* out);
  void (*widen_bf16)(const uint16_t* x, int64_t n, float* out);
  void (*poisson)(const neuro4d::GroupStep& x, const neuro4d::PoissonInput& input, int64_t first, int64_t n, float* arrivals);
};

inline uint32_t mixed(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x21F0AAADu;
  x = (x ^ (x >> 15)) * 0x735A2D97u;
  return x ^ (x >> 15);
}

// Random word number `local` of an entity in the step of a group, by the definition in neuro4d/_base/_random.py.
inline uint32_t word_plainly(const neuro4d::GroupStep& x, uint32_t a0, uint32_t b0, uint32_t local) {
  const uint32_t a = mixed(mixed(x.elapsed ^ (x.key[0] + a0)) + (x.key[1] ^ b0));
  const uint32_t b = mixed(mixed(x.elapsed + (x.key[1] ^ a0)) ^ (x.key[0] + b0));
  return mixed(mixed(local ^ a) + b);
}

Numbers numbers_baseline();
Numbers numbers_avx2();
Numbers numbers_avx512();

}  // namespace n4_test
