// The neuron of Hodgkin and Huxley, written out.
#pragma once

#include "../plain_part.h"
#include "traub_miles.h"

namespace n4_test {

inline float squid_change(const float* p, float v, float m, float h, float n, const Drive& d, bool with_g, float rate) {
  const float g_na = p[3] * (m * m * m * h), g_k = p[4] * (n * n * (n * n));
  float total = p[2] + g_na + g_k, inward = p[2] * (p[5] - v) + g_na * (p[6] - v) + g_k * (p[7] - v) + d.i;
  if (with_g) {
    total = total + d.g;
    inward = inward - d.g * v;
  }
  return inward / total * one_minus_exponential(-(rate * total));
}

inline void squid_rates(float w, float* r) {
  w = clipped(w, 300.0f);
  r[0] = 1.0f / exprel((25.0f - w) / 10.0f);
  r[1] = 4.0f * exponential((0.0f - w) / 18.0f);
  r[2] = 0.07f * exponential((0.0f - w) / 20.0f);
  r[3] = 1.0f / (1.0f + exponential((30.0f - w) / 10.0f));
  r[4] = 0.1f / exprel((10.0f - w) / 10.0f);
  r[5] = 0.125f * exponential((0.0f - w) / 80.0f);
}

inline bool hodgkin_huxley(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float dt = p[0], rate = p[1], v_rest = p[8], v_th = p[9], before = s[0];
  float r[6], in[3];
  squid_rates(before - v_rest, r);
  for (int k = 0; k < 3; ++k) in[k] = relaxed_gate(s[1 + k], r[2 * k], r[2 * k + 1], 0.25f * dt);
  const float middle = before + squid_change(p, before, in[0], in[1], in[2], d, with_g, 0.5f * rate);
  squid_rates(middle - v_rest, r);
  for (int k = 0; k < 3; ++k) {
    const float total = r[2 * k] + r[2 * k + 1], way = r[2 * k] / total - s[1 + k], share = one_minus_exponential(-(0.5f * dt * total));
    in[k] = s[1 + k] + way * share;
    s[1 + k] = s[1 + k] + way * (share * (2.0f - share));
  }
  float v = before + squid_change(p, before, in[0], in[1], in[2], d, with_g, rate);
  if (with_jump) v = v + d.jump;
  s[0] = v;
  return before < v_th && v >= v_th;
}

inline PlainCell plain_hodgkin_huxley() {
  return {"HodgkinHuxley",
          {{"cell.dt", 0.02f, 0.1f}, {"cell.rate", 2e-4f, 1e-3f}, {"cell.g_leak", 20, 40}, {"cell.g_na", 1e4f, 1.2e4f}, {"cell.g_k", 3e3f, 4e3f},
           {"cell.e_leak", -56, -54}, {"cell.e_na", 45, 55}, {"cell.e_k", -80, -75}, {"cell.v_rest", -66, -60}, {"cell.v_th", -10, 5}},
          {{"cell.v", -80, 45}, {"cell.m", 0, 1}, {"cell.h", 0, 1}, {"cell.n", 0, 1}},
          hodgkin_huxley};
}

}  // namespace n4_test
