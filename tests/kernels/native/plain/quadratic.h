// QIF and Izhikevich for one neuron, written out.
#pragma once

#include "../plain_part.h"

namespace n4_test {

inline float quadratic(float v, float a, float b, float c, float dt, float v_peak, bool* burst) {
  const float slope = (a * v + b) * v + c;
  float z = 0.25f * dt * dt * (b * b - 4.0f * a * c);
  z = z < -2.0f ? -2.0f : z > 1e6f ? 1e6f : z;
  const float t = dt * (945.0f + z * (105.0f + z)) / (945.0f + z * (420.0f + 15.0f * z));
  const float rest = 1.0f - (a * v + 0.5f * b) * t;
  *burst = rest < 0x1p-20f;
  return *burst ? v_peak : v + slope * t / rest;
}

inline bool qif(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float alpha = p[0], beta = p[1], gamma = p[2], per_c = p[3], dt = p[4], v_reset = p[5], v_peak = p[6], hold = p[7];
  float& v = s[0];
  float& left = s[1];
  if (left >= 0.5f) {
    left = left - 1.0f;
    return false;
  }
  bool burst;
  v = quadratic(v, alpha, with_g ? beta - per_c * d.g : beta, gamma + per_c * d.i, dt, v_peak, &burst);
  if (with_jump) v = v + d.jump;
  left = 0.0f;
  if (!(v >= v_peak) && !burst) return false;
  v = v_reset;
  left = hold;
  return true;
}

inline bool izhikevich(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float a = p[0], b = p[1], c = p[2], jump_of_u = p[3], v_peak = p[4], per_c = p[5], slope = p[6], offset = p[7], v_u = p[8], leak = p[9],
              half = p[10], dt = p[11], substeps = p[12];
  float v = s[0], u = s[1];
  bool burst = false;
  if (substeps == 0.0f) {
    u = u + half * (b * (v - v_u) - leak * u);
    v = quadratic(v, 0.04f, with_g ? slope - per_c * d.g : slope, offset - u + per_c * d.i, dt, v_peak, &burst);
    u = u + half * (b * ((v >= v_peak ? c : v) - v_u) - leak * u);
  } else {
    for (int k = 0; k < static_cast<int>(substeps); ++k) {
      const float inward = with_g ? d.i - d.g * v : d.i;
      v = v + dt / substeps * (0.04f * v * v + slope * v + offset - u + per_c * inward);
    }
    u = u + dt * a * (b * (v - v_u) - leak * u);
  }
  if (with_jump) v = v + d.jump;
  const bool fires = v >= v_peak || burst;
  s[0] = fires ? c : v;
  s[1] = fires ? u + jump_of_u : u;
  return fires;
}

inline PlainCell qif_cell() {
  return {"QIF",
          {{"cell.alpha", 0.003f, 0.005f}, {"cell.beta", 0.4f, 0.5f}, {"cell.gamma", 11, 14}, {"cell.per_c", 0.001f, 0.01f}, {"cell.dt", 0.2f, 0.3f},
           {"cell.v_reset", -70, -60}, {"cell.v_peak", 20, 30}, {"cell.hold", 3, 3}},
          {{"cell.v", -70, 35}, {"cell.left", -1e-6f, 1e-6f}},
          qif};
}

// With the number of parts: 0 for the scheme of second order.
inline PlainCell izhikevich_cell(float substeps) {
  return {"Izhikevich",
          {{"cell.a", 0.02f, 0.1f}, {"cell.b", 0.2f, 0.25f}, {"cell.c", -65, -50}, {"cell.d", 2, 8}, {"cell.v_peak", 30, 35},
           {"cell.per_c", 0.001f, 0.01f}, {"cell.slope", 4.9f, 5.1f}, {"cell.offset", 138, 142}, {"cell.v_u", -1, 1}, {"cell.leak", 0.9f, 1.1f},
           {"cell.half", 0.002f, 0.01f}, {"cell.dt", 0.2f, 0.3f}, {"cell.substeps", substeps, substeps}},
          {{"cell.v", -70, 40}, {"cell.u", -15, -5}},
          izhikevich};
}

}  // namespace n4_test
