#pragma once

#include "../plain_part.h"

namespace n4_test {

inline bool poisson_neuron(const float* p, float* s, const Drive& d, bool, bool) {
  const float chance = p[0], t_ref = p[1], dt = p[2];
  if (!(s[0] < 0.5f * dt)) {
    s[0] = s[0] - dt;
    return false;
  }
  const bool fires = chance - static_cast<float>(d.word) * 0x1p-32f > 0;
  s[0] = fires ? t_ref : 0.0f;
  return fires;
}

inline PlainCell plain_poisson_neuron() {
  return {"PoissonNeuron", {{"cell.chance", 0.1f, 0.2f}, {"cell.t_ref", 0.3f, 0.3f}, {"cell.dt", 0.1f, 0.1f}}, {{"cell.silent", -0.1f, 0.2f}}, poisson_neuron};
}

}  // namespace n4_test
