// Generalised leaky integrate-and-fire, written out.
#pragma once

#include "../plain_part.h"
#include "traub_miles.h"

namespace n4_test {

inline bool glif(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float before = s[0], inward = p[8] * s[3] + p[9] * s[4] + d.i;
  if (s[5] >= 0.5f) {
    s[5] = s[5] - 1.0f;
    return false;
  }
  float steady = p[4] + p[1] * inward, share = p[0], gap = p[19];
  if (with_g) {
    const float total = p[3] + d.g;
    steady = (p[3] * p[4] + inward) / total;
    share = one_minus_exponential(-(p[2] * total));
    gap = p[20] * exprel(clipped(p[21] - p[2] * total, 80.0f));
  }
  s[0] = before + share * (steady - before);
  if (with_jump) s[0] = s[0] + d.jump;
  s[1] = p[14] * s[1];
  s[2] = p[17] * s[2] + p[18] * (steady - p[4]) + gap * (before - steady);
  s[3] = p[6] * s[3];
  s[4] = p[7] * s[4];
  if (!(s[0] - (p[5] + s[1] + s[2]) >= 0.0f)) return false;
  s[0] = p[22] * before + p[23];
  s[1] = p[15] * s[1] + p[16];
  s[3] = p[10] * s[3] + p[12];
  s[4] = p[11] * s[4] + p[13];
  s[5] = p[24];
  return true;
}

inline PlainCell plain_glif() {
  return {"GLIF",
          {{"cell.leak", 0.001f, 0.02f}, {"cell.resistance", 0.05f, 0.2f}, {"cell.rate", 1e-3f, 2e-3f}, {"cell.g_leak", 9, 11},
           {"cell.v_rest", -80, -70}, {"cell.v_th", -52, -50}, {"cell.asc_keep_1", 0.99f, 1}, {"cell.asc_keep_2", 0.9f, 1},
           {"cell.asc_mean_1", 0.99f, 1}, {"cell.asc_mean_2", 0.9f, 1}, {"cell.asc_after_1", 0.5f, 1}, {"cell.asc_after_2", 0.5f, 1},
           {"cell.asc_amp_1", -20, 0}, {"cell.asc_amp_2", -200, 0}, {"cell.spike_keep", 0.99f, 1}, {"cell.spike_after", 0.9f, 1},
           {"cell.spike_add", 0, 1}, {"cell.voltage_keep", 0.99f, 1}, {"cell.voltage_mean", 0, 0.001f}, {"cell.voltage_gap", 0, 0.001f},
           {"cell.voltage_cross", 0, 0.001f}, {"cell.voltage_rate", 0.005f, 0.02f}, {"cell.reset_fraction", 0, 0.5f}, {"cell.reset_base", -60, -50},
           {"cell.hold", 3, 3}},
          {{"cell.v", -70, -44}, {"cell.th_spike", 0, 1}, {"cell.th_voltage", 0, 1}, {"cell.asc_1", -20, 0}, {"cell.asc_2", -200, 0},
           {"cell.left", 0, 0.4f}},
          glif};
}

}  // namespace n4_test
