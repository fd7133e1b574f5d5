// ALIF, AdLIF, PLIF and LI for one neuron, written out.
#pragma once

#include "../plain_part.h"

namespace n4_test {

inline bool alif(const float* p, float* s, const Drive& d, bool, bool with_jump) {
  const float share = p[0], resistance = p[1], share_b = p[2], beta = p[3], v_th = p[4];
  float v = s[0] + share * (resistance * d.i - s[0]);
  if (with_jump) v = v + d.jump;
  const float threshold = v_th + s[1];
  const bool fires = v >= threshold;
  s[0] = fires ? v - threshold : v;
  s[1] = s[1] + share_b * ((fires ? beta : 0.0f) - s[1]);
  return fires;
}

inline bool adlif(const float* p, float* s, const Drive& d, bool, bool with_jump) {
  const float share = p[0], resistance = p[1], share_w = p[2], a = p[3], b = p[4], v_th = p[5];
  const float before = s[0], w = s[1], earlier = s[2];
  float v = before + share * (resistance * (d.i - w) - before);
  if (with_jump) v = v + d.jump;
  const bool fires = v >= v_th;
  const float z = fires ? 1.0f : 0.0f;
  if (p[6] == 0.0f) {
    s[0] = v - v_th * z;
    s[1] = w + (a * v + b * z - share_w * w);
  } else if (p[6] == 1.0f) {
    s[0] = fires ? 0.0f : v;
    s[1] = w + share_w * (a * before + b * earlier - w);
  } else {
    s[0] = fires ? 0.0f : v;
    s[1] = w + share_w * (a * s[0] + b * z - w);
  }
  s[2] = z;
  return fires;
}

inline bool plif(const float* p, float* s, const Drive& d, bool, bool with_jump) {
  float v = s[0] + p[0] * (p[1] * d.i + p[3] - s[0]);
  if (with_jump) v = v + d.jump;
  const bool fires = v >= p[2];
  s[0] = fires ? p[3] : v;
  return fires;
}

inline bool li(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float leak = p[0], resistance = p[1], rate = p[2], g_l = p[3], v_rest = p[4];
  float change = v_rest - s[0];
  if (with_g) {
    const float total = g_l + d.g;
    change = (g_l * change + (d.i - d.g * s[0])) / total * one_minus_exponential(-rate * total);
  } else {
    change = leak * (change + resistance * d.i);
  }
  s[0] = s[0] + (with_jump ? change + d.jump : change);
  return false;
}

inline PlainCell alif_cell() {
  return {"ALIF",
          {{"cell.share", 0.05f, 0.2f}, {"cell.resistance", 0.01f, 0.05f}, {"cell.share_b", 0.01f, 0.1f}, {"cell.beta", 1, 2}, {"cell.v_th", 1, 2}},
          {{"cell.v", -1, 100}, {"cell.b", 0, 2}},
          alif};
}

// `order`: 0, 1 or 2, as in cells/adlif.h.
inline PlainCell adlif_cell(float order) {
  return {"AdLIF",
          {{"cell.share", 0.05f, 0.2f}, {"cell.resistance", 0.01f, 0.05f}, {"cell.share_w", 0.01f, 0.1f}, {"cell.a", -1, 1}, {"cell.b", 0, 2},
           {"cell.v_th", 1, 2}, {"cell.order", order, order}},
          {{"cell.v", -1, 100}, {"cell.w", -1, 3}, {"cell.z", 0, 1}},
          adlif};
}

inline PlainCell plif_cell() {
  return {"PLIF",
          {{"cell.share", 0.05f, 0.5f}, {"cell.resistance", 0.01f, 0.05f}, {"cell.v_th", 1, 2}, {"cell.v_reset", -0.5f, 0.5f}},
          {{"cell.v", -1, 100}},
          plif};
}

inline PlainCell li_cell() {
  return {"LI",
          {{"cell.leak", 0.001f, 0.02f}, {"cell.resistance", 0.05f, 0.2f}, {"cell.rate", 4e-4f, 6e-4f}, {"cell.g_leak", 9, 11}, {"cell.v_rest", -1, 1}},
          {{"cell.v", -5, 5}},
          li,
          true};
}

}  // namespace n4_test
