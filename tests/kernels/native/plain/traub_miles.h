// The neuron of Traub and Miles, written out.
#pragma once

#include "../plain_part.h"

namespace n4_test {

inline float relaxed_gate(float gate, float opening, float closing, float dt) {
  const float total = opening + closing;
  return gate + (opening / total - gate) * one_minus_exponential(-(dt * total));
}

inline float clipped(float x, float far) { return x < -far ? -far : x > far ? far : x; }

inline bool traub_miles(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float dt = p[0], rate = p[1], g_leak = p[2], e_leak = p[5], e_na = p[6], e_k = p[7], v_th = p[9], hold = p[10];
  float v = s[0];
  const float m = s[1], h = s[2], n = s[3], left = s[4], w = clipped(v - p[8], 300.0f);
  const float g_na = p[3] * (m * m * m * h), g_k = p[4] * (n * n * (n * n));
  float total = g_leak + g_na + g_k, inward = g_leak * (e_leak - v) + g_na * (e_na - v) + g_k * (e_k - v) + d.i;
  if (with_g) {
    total = total + d.g;
    inward = inward - d.g * v;
  }
  v = v + inward / total * one_minus_exponential(-(rate * total));
  if (with_jump) v = v + d.jump;
  s[0] = v;
  s[1] = relaxed_gate(m, 1.28f / exprel((13.0f - w) / 4.0f), 1.4f / exprel((w - 40.0f) / 5.0f), dt);
  s[2] = relaxed_gate(h, 0.128f * exponential((17.0f - w) / 18.0f), 4.0f / (1.0f + exponential((40.0f - w) / 5.0f)), dt);
  s[3] = relaxed_gate(n, 0.16f / exprel((15.0f - w) / 5.0f), 0.5f * exponential((10.0f - w) / 40.0f), dt);
  const bool fires = left < 0.5f && v >= v_th;
  s[4] = fires ? hold : left < 0.5f ? left : left - 1.0f;
  return fires;
}

inline PlainCell plain_traub_miles() {
  return {"TraubMiles",
          {{"cell.dt", 0.05f, 0.1f}, {"cell.rate", 2e-4f, 6e-4f}, {"cell.g_leak", 9, 11}, {"cell.g_na", 1.5e4f, 2e4f}, {"cell.g_k", 5e3f, 7e3f},
           {"cell.e_leak", -65, -60}, {"cell.e_na", 45, 55}, {"cell.e_k", -95, -85}, {"cell.v_t", -65, -55}, {"cell.v_th", -30, -20},
           {"cell.hold", 3, 3}},
          {{"cell.v", -95, 50}, {"cell.m", 0, 1}, {"cell.h", 0, 1}, {"cell.n", 0, 1}, {"cell.left", 0, 0.4f}},
          traub_miles};
}

}  // namespace n4_test
