// What a cell or receptor written out for one neuron consists of: it is compared, bit for bit, with the vectors of every instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "numbers.h"
#include "program.h"

namespace n4_test {

// `v`: the potential at the beginning of the step; `word`: the random word of the neuron.
struct Drive {
  float g, i, jump;
  float v = 0;
  uint32_t word = 0;
};

// The range from which a parameter is drawn, and that of a variable.
struct Range {
  const char* name;
  float low, high;
};

// `receive`: the share of a receptor, then what arrives. `p` and `s` in the order of the ranges.
struct PlainReceptor {
  const char* name;
  std::vector<Range> params, state;
  void (*early)(const float* p, float* s, float arrival);
  void (*receive)(const float* p, float* s, float arrival, Drive* d);
};

// `step` returns whether the neuron fires.
struct PlainCell {
  const char* name;
  std::vector<Range> params, state;
  bool (*step)(const float* p, float* s, const Drive& d, bool with_g, bool with_jump);
  bool silent = false;  // never fires
};

// How near the functions of `simd.h` come to those of the library is tested with the numbers.
inline float one_number(void (*f)(const float*, int64_t, float*), float x) {
  float in[16], out[16];
  for (float& each : in) each = x;
  f(in, 16, out);
  return out[0];
}

inline float one_minus_exponential(float x) { return one_number(numbers_baseline().one_minus_exponential, x); }
inline float exponential(float x) { return one_number(numbers_baseline().exponential, x); }
inline float exprel(float x) { return one_number(numbers_baseline().exprel, x); }
inline float logarithm(float x) { return one_number(numbers_baseline().logarithm, x); }

}  // namespace n4_test
