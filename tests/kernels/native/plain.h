// Cells and receptors for one neuron, written out. One of another kind is a file in plain/ and a line at the end.
#pragma once

#include "plain/dual.h"
#include "plain/exponential.h"
#include "plain/gabab.h"
#include "plain/poisson_neuron.h"
#include "plain/quadratic.h"
#include "plain/trained.h"
#include "plain/glif.h"
#include "plain/hodgkin_huxley.h"
#include "plain/traub_miles.h"
#include "plain_part.h"

namespace n4_test {

inline bool lif(const float* p, float* s, const Drive& d, bool with_g, bool with_jump) {
  const float leak = p[0], resistance = p[1], rate = p[2], g_leak = p[3], v_rest = p[4], v_th = p[5], v_reset = p[6], hold = p[7];
  float& v = s[0];
  float& left = s[1];
  if (left >= 0.5f) {
    left = left - 1.0f;
    return false;
  }
  float change = v_rest - v;
  if (with_g) {
    const float total = g_leak + d.g;
    change = (g_leak * change + (d.i - d.g * v)) / total * one_minus_exponential(-rate * total);
  } else {
    change = leak * (change + resistance * d.i);
  }
  change = change + (with_jump ? left + d.jump : left);
  const float after = v + change;
  left = change - (after - v);
  v = after;
  if (!(v >= v_th)) return false;
  v = v_reset;
  left = hold;
  return true;
}

inline bool relay(const float*, float* s, const Drive& d, bool, bool with_jump) {
  const float total = with_jump ? s[0] + d.jump : s[0];
  s[0] = total - 1.0f >= 0.5f ? total - 1.0f : 0.0f;
  return total > 0.0f;
}

inline bool foreign(const float*, float* s, const Drive& d, bool with_g, bool with_jump) {
  s[0] = with_g ? d.g : 0.0f;
  s[1] = d.i;
  s[2] = with_jump ? d.jump : 0.0f;
  return false;
}

inline const std::vector<PlainCell>& plain_cells() {
  static const std::vector<PlainCell> known = {
      {"LIF",
       {{"cell.leak", 0.001f, 0.02f}, {"cell.resistance", 0.05f, 0.2f}, {"cell.rate", 4e-4f, 6e-4f}, {"cell.g_leak", 9, 11},
        {"cell.v_rest", -61, -59}, {"cell.v_th", -51, -50}, {"cell.v_reset", -61, -59}, {"cell.hold", 3, 3}},
       {{"cell.v", -65, -49}, {"cell.left", -1e-6f, 1e-6f}},
       lif},
      izhikevich_cell(2),
      {"Relay", {}, {{"cell.waiting", -2, 5}}, relay},
      {"Foreign", {}, {{"cell.g", 0, 1}, {"cell.i", 0, 1}, {"cell.jump", 0, 1}}, foreign, true},
      plain_poisson_neuron(),
      eif_cell(),
      adex_cell(),
      qif_cell(),
      alif_cell(),
      adlif_cell(0),
      plif_cell(),
      li_cell(),
      plain_traub_miles(),
      plain_hodgkin_huxley(),
      plain_glif()};
  return known;
}

// Cells of the list whose sums depend on a parameter that is the same for all neurons, with its other values.
inline const std::vector<PlainCell>& plain_variants() {
  static const std::vector<PlainCell> known = {izhikevich_cell(0), adlif_cell(1), adlif_cell(2)};
  return known;
}

inline void add_early(const float*, float* s, float arrival) { s[0] = s[0] + arrival; }

inline void alpha_early(const float* p, float* s, float arrival) { s[0] = s[0] + p[4] * arrival; }

inline void alpha_move(const float* p, float* s, float arrival) {
  const float later = s[1] * p[0] + s[0] * p[1];
  s[0] = s[0] * p[0] + p[4] * arrival;
  s[1] = later;
}

inline void exp_current(const float* p, float* s, float arrival, Drive* d) {
  d->i = d->i + s[0] * p[1];
  s[0] = s[0] * p[0] + arrival;
}

inline void exp_conductance(const float* p, float* s, float arrival, Drive* d) {
  const float mean = s[0] * p[1];
  d->g = d->g + mean;
  d->i = d->i + mean * p[2];
  s[0] = s[0] * p[0] + arrival;
}

inline void alpha_current(const float* p, float* s, float arrival, Drive* d) {
  d->i = d->i + (s[1] * p[2] + s[0] * p[3]);
  alpha_move(p, s, arrival);
}

inline void alpha_conductance(const float* p, float* s, float arrival, Drive* d) {
  const float mean = s[1] * p[2] + s[0] * p[3];
  d->g = d->g + mean;
  d->i = d->i + mean * p[5];
  alpha_move(p, s, arrival);
}

inline void nothing_early(const float*, float*, float) {}

inline void delta(const float*, float*, float arrival, Drive* d) { d->jump = d->jump + arrival; }

inline void pulse_current(const float*, float* s, float arrival, Drive* d) {
  d->i = d->i + s[0];
  s[0] = arrival;
}

inline const std::vector<PlainReceptor>& plain_receptors() {
  static const Range decay{"port.decay", 0.8f, 0.99f}, held{"port.held", 0.9f, 1.0f}, e_rev{"port.e_rev", -80, 0},
      cross{"port.cross", 0.01f, 0.1f}, held_rise{"port.held_rise", 0.01f, 0.05f}, per_weight{"port.per_weight", 0.1f, 0.5f},
      rise{"port.rise", 0, 20}, i{"port.i", 0, 20}, g{"port.g", 0, 20};
  static const std::vector<PlainReceptor> duals = plain_duals();
  static const std::vector<PlainReceptor> known = {
      {"ExpCurrent", {decay, held}, {i}, add_early, exp_current},
      {"ExpConductance", {decay, held, e_rev}, {g}, add_early, exp_conductance},
      {"AlphaCurrent", {decay, cross, held, held_rise, per_weight}, {rise, i}, alpha_early, alpha_current},
      {"AlphaConductance", {decay, cross, held, held_rise, per_weight, e_rev}, {rise, g}, alpha_early, alpha_conductance},
      {"Delta", {}, {}, nothing_early, delta},
      {"PulseCurrent", {}, {i}, add_early, pulse_current},
      duals[0],
      duals[1],
      duals[2],
      plain_gabab()};
  return known;
}

}  // namespace n4_test
