// Exponentials, ln x, normal numbers, wider weights and Poisson counts of each instruction set, behind one table.
#pragma once

#include <cstdint>

#include "program.h"

namespace n4_test {

struct Numbers {
  void (*one_minus_exponential)(const float* x, int64_t n, float* out);  // n is a multiple of 16
  void (*exponential)(const float* x, int64_t n, float* out);            // the same
  void (*exprel)(const float* x, int64_t n, float* out);                 // the same
  void (*uniform)(const uint32_t* words, int64_t n, float* out);         // the same
  void (*logarithm)(const float* x, int64_t n, float* out);              // the same
  void (*normal)(const uint32_t* words, int64_t n, float* out);          // the same
  void (*widen_f16)(const uint16_t* x, int64_t n, float* out);
  void (*widen_bf16)(const uint16_t* x, int64_t n, float* out);
  void (*poisson)(const neuro4d::GroupStep& x, const neuro4d::PoissonInput& input, int64_t first, int64_t n, float* arrivals);
};

Numbers numbers_baseline();
Numbers numbers_avx2();
Numbers numbers_avx512();

}  // namespace n4_test
