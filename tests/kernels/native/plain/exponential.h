// EIF and AdEx for one neuron, written out.
#pragma once

#include "../plain_part.h"

namespace n4_test {

// The potential after a step without jumps; infinite potentials are the peak.
inline float exponential_membrane(const float* p, float v, float g, float i, bool with_g, bool* burst) {
  const float half = p[0], resistance = p[1], rate = p[2], g_l = p[3], v_rest = p[4], rise = p[5], v_t = p[6], delta_t = p[7], per_delta = p[8],
              v_peak = p[10];
  const float total = g_l + g;
  const float share = with_g ? one_minus_exponential(-rate * total) : half;
  const float steady = with_g ? (g_l * v_rest + i) / total : v_rest + resistance * i;
  v = v + share * (steady - v);
  const float x = rise * exponential((v - v_t) * per_delta), x2 = x * x, x4 = x2 * x2;
  *burst = 1.0f - x < 0x1p-20f;
  if (*burst) return v_peak;
  const float low = (1.0f + 0.5f * x) + x2 * (1.0f / 3.0f + 0.25f * x), high = (0.2f + 1.0f / 6.0f * x) + x2 * (1.0f / 7.0f);
  v = v + delta_t * (x > 0.125f ? 0.0f - logarithm(1.0f - x) : x * (low + x4 * high));
  return v + share * (steady - v);
}

inline bool exponential_fire(const float* p, float* v, float* left, float later, const Drive& d, bool with_jump, bool burst) {
  if (*left >= 0.5f) {
    *left = *left - 1.0f;
    return false;
  }
  *v = with_jump ? later + d.jump : later;
  *left = 0.0f;
  if (!(*v >= p[10]) && !burst) return false;
  *v = p[9];
  *left = p[11];
  return true;
}

inline bool eif(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  bool burst;
  const float later = exponential_membrane(p, s[0], d.g, d.i, with_g, &burst);
  return exponential_fire(p, &s[0], &s[1], later, d, with_jump, burst);
}

inline bool adex(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float v_rest = p[4], v_reset = p[9], v_peak = p[10], half_w = p[12], a = p[13], b = p[14];
  bool burst;
  float w = s[1] + half_w * (a * (s[0] - v_rest) - s[1]);
  const float later = exponential_membrane(p, s[0], d.g, d.i - w, with_g, &burst);
  const float seen = s[2] >= 0.5f ? s[0] : later >= v_peak ? v_reset : later;
  w = w + half_w * (a * (seen - v_rest) - w);
  const bool fires = exponential_fire(p, &s[0], &s[2], later, d, with_jump, burst);
  s[1] = fires ? w + b : w;
  return fires;
}

inline std::vector<Range> exponential_ranges(std::vector<Range> more) {
  std::vector<Range> all = {{"cell.half", 0.01f, 0.02f}, {"cell.resistance", 0.05f, 0.2f}, {"cell.rate", 4e-4f, 6e-4f}, {"cell.g_l", 9, 11},
                            {"cell.v_rest", -61, -59},   {"cell.rise", 0.01f, 0.04f},      {"cell.v_t", -52, -50},      {"cell.delta_t", 1, 3},
                            {"cell.per_delta", 0.4f, 1}, {"cell.v_reset", -61, -59},       {"cell.v_peak", -10, 0},     {"cell.hold", 3, 3}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

inline PlainCell eif_cell() {
  return {"EIF", exponential_ranges({}), {{"cell.v", -65, -42}, {"cell.left", -1e-6f, 1e-6f}}, eif};
}

inline PlainCell adex_cell() {
  return {"AdEx",
          exponential_ranges({{"cell.half_w", 0.001f, 0.01f}, {"cell.a", -5, 5}, {"cell.b", 0, 100}}),
          {{"cell.v", -65, -42}, {"cell.w", -20, 50}, {"cell.left", -1e-6f, 1e-6f}},
          adex};
}

}  // namespace n4_test
