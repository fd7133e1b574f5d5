// GABA-B receptors, written out.
#pragma once

#include "../plain_part.h"

namespace n4_test {

inline void gabab_early(const float*, float* s, float arrival) { s[0] = s[0] + arrival; }

inline void gabab(const float* p, float* s, float arrival, Drive* d) {
  const float bind = p[1] * s[0], total = bind + p[2];
  const float r = s[1] + (bind - total * s[1]) / total * one_minus_exponential(-total);
  const float protein = s[2] * p[3] + p[4] * (s[1] + r);
  const float x = (s[2] + protein) * p[5], square = x * x, open = square * square;
  const float g = p[6] * (open / (1.0f + open));
  d->g = d->g + g;
  d->i = d->i + g * p[7];
  s[0] = s[0] * p[0] + arrival;
  s[1] = r;
  s[2] = protein;
}

inline PlainReceptor plain_gabab() {
  return {"GABAB",
          {{"port.cleared", 0.7f, 0.9f}, {"port.bind", 0.005f, 0.01f}, {"port.unbind", 1e-4f, 2e-4f}, {"port.decay", 0.99f, 1.0f},
           {"port.gain", 5e-6f, 2e-5f},  {"port.half", 150, 170},      {"port.g_max", 1, 20},         {"port.e_rev", -95, 0}},
          {{"port.t", 0, 0.5f}, {"port.r", 0, 1}, {"port.s", 0, 0.006f}},
          gabab_early,
          gabab};
}

}  // namespace n4_test
