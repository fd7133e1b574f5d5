// Receptors that rise and decay with a time constant each, written out.
#pragma once

#include "../plain_part.h"

namespace n4_test {

inline void dual_early(const float* p, float* s, float arrival) { s[0] = s[0] + p[5] * arrival; }

inline void dual_move(const float* p, float* s, float arrival) {
  const float later = s[1] * p[1] + s[0] * p[2];
  s[0] = s[0] * p[0] + p[5] * arrival;
  s[1] = later;
}

inline void dual_current(const float* p, float* s, float arrival, Drive* d) {
  d->i = d->i + (s[1] * p[3] + s[0] * p[4]);
  dual_move(p, s, arrival);
}

inline void dual_conductance(const float* p, float* s, float arrival, Drive* d) {
  const float mean = s[1] * p[3] + s[0] * p[4];
  d->g = d->g + mean;
  d->i = d->i + mean * p[6];
  dual_move(p, s, arrival);
}

inline void nmda(const float* p, float* s, float arrival, Drive* d) {
  const float exponent = -p[8] * d->v;
  const float mean = (s[1] * p[3] + s[0] * p[4]) / (1.0f + p[7] * exponential(exponent > 80.0f ? 80.0f : exponent));
  d->g = d->g + mean;
  d->i = d->i + mean * p[6];
  dual_move(p, s, arrival);
}

inline std::vector<PlainReceptor> plain_duals() {
  const Range rise{"port.rise", 0, 20};
  std::vector<Range> params = {{"port.fall", 0.7f, 0.95f}, {"port.decay", 0.8f, 0.99f},     {"port.cross", 0.01f, 0.1f},
                               {"port.held", 0.9f, 1.0f},  {"port.held_rise", 0.01f, 0.05f}, {"port.per_weight", 0.1f, 0.5f}};
  const PlainReceptor current{"DualExpCurrent", params, {rise, {"port.i", 0, 20}}, dual_early, dual_current};
  params.push_back({"port.e_rev", -80, 0});
  const PlainReceptor conductance{"DualExpConductance", params, {rise, {"port.g", 0, 20}}, dual_early, dual_conductance};
  params.push_back({"port.block", 0, 0.6f});
  params.push_back({"port.steepness", 0.03f, 0.09f});
  return {current, conductance, {"NMDA", params, {rise, {"port.g", 0, 20}}, dual_early, nmda}};
}

}  // namespace n4_test
