// The step of a group against a loop over neurons: every cell, every receptor, all kinds of parameter, stimuli, and the spikes.
#include <algorithm>
#include <cmath>
#include <memory>

#include "check.h"
#include "named.h"
#include "plain.h"
#include "run_element.h"

namespace n4_test {

namespace {

using neuro4d::Extra;
using neuro4d::ExtraKind;
using neuro4d::GroupStep;
using neuro4d::Isa;
using neuro4d::Param;
using neuro4d::PortStep;

constexpr int64_t kN = 1300, kWidth = 640, kBlocks = 3, kSteps = 12, kWords = (kN + 31) / 32;
constexpr int32_t kBounds[] = {0, 7, 600, 1300};
constexpr neuro4d::WordAddress kAddresses[] = {{1, 2}, {3, 5}, {8, 13}};

// One value for all, one per span, one per neuron, or each parameter in another of these ways.
enum class Modes { kAll, kSpan, kNeuron, kMixed };

// `late`: whether anything can arrive at the end of a step. `mortal`: some are dead.
struct Group {
  const PlainCell* cell;
  std::vector<const PlainReceptor*> receptors;
  Modes modes;
  std::vector<Extra> extras;
  bool late, early, mortal;
};

class Constants {
 public:
  explicit Constants(Random* random) : random_(random) {}

  Param make(Param::Mode mode, float low, float high) {
    return {numbers(mode == Param::kAll ? 1 : mode == Param::kSpan ? 3 : kN, low, high), mode};
  }

  // Parameters in the order of their ranges.
  void make(Modes modes, const std::vector<Range>& ranges, Param* out) {
    for (size_t k = 0; k < ranges.size(); ++k) {
      const int mode = modes == Modes::kMixed ? static_cast<int>(k % 3) : static_cast<int>(modes);
      out[k] = make(static_cast<Param::Mode>(mode), ranges[k].low, ranges[k].high);
    }
  }

  Extra steady(ExtraKind kind, bool each, float low, float high) {
    return {kind, 0, make(each ? Param::kNeuron : Param::kAll, low, high), 0};
  }

  Extra changing(ExtraKind kind, bool each, float low, float high) {
    const int64_t per_step = each ? kN : 1;
    return {kind, 0, {numbers(kSteps * per_step, low, high), each ? Param::kNeuron : Param::kAll}, per_step};
  }

 private:
  const float* numbers(int64_t n, float low, float high) {
    held_.push_back(std::make_unique<std::vector<float>>());
    for (int64_t i = 0; i < n; ++i) held_.back()->push_back(random_->between(low, high));
    return held_.back()->data();
  }

  Random* const random_;
  std::vector<std::unique_ptr<std::vector<float>>> held_;
};

// Everything that a step reads and writes, owned: variables by part (the cell first, then receptors) and number.
struct State {
  std::vector<std::vector<std::vector<float>>> parts;
  std::vector<float> late, early;
  std::vector<uint32_t> words;
};

float value_of(const Param& p, int64_t j) {
  if (p.mode == Param::kNeuron) return p.data[j];
  return p.data[p.mode == Param::kAll ? 0 : j < kBounds[1] ? 0 : j < kBounds[2] ? 1 : 2];
}

void values_of(const Param* params, size_t n, int64_t j, float* out) {
  for (size_t k = 0; k < n; ++k) out[k] = value_of(params[k], j);
}

void variables_of(const std::vector<std::vector<float>>& part, int64_t j, float* out) {
  for (size_t k = 0; k < part.size(); ++k) out[k] = part[k][static_cast<size_t>(j)];
}

void keep(const float* values, int64_t j, std::vector<std::vector<float>>* part) {
  for (size_t k = 0; k < part->size(); ++k) (*part)[k][static_cast<size_t>(j)] = values[k];
}

float stimulus(const GroupStep& x, ExtraKind kind, int64_t port, int64_t j, float from) {
  for (int64_t e = 0; e < x.n_extras; ++e) {
    const Extra& extra = x.extras[e];
    if (extra.kind != kind || extra.port != port) continue;
    from = from + extra.value.data[x.k * extra.per_step + (extra.value.mode == Param::kNeuron ? j : 0)];
  }
  return from;
}

// The random word of neuron j: it counts from the first of its span.
uint32_t word_of_neuron(const GroupStep& x, int64_t j) {
  const int64_t span = j < kBounds[1] ? 0 : j < kBounds[2] ? 1 : 2;
  return word_plainly(x, x.addresses[span].a0, x.addresses[span].b0, static_cast<uint32_t>(j - kBounds[span]));
}

// Returns whether neuron j fired.
bool step_plainly(const Group& group, const GroupStep& x, int64_t j, State* s) {
  float p[neuro4d::kMostParams], v[neuro4d::kMostState];
  const int64_t v_at = neuro4d::manifest().cells[x.cell].v_at;
  Drive d{stimulus(x, ExtraKind::kConductance, 0, j, 0.0f), stimulus(x, ExtraKind::kCurrent, 0, j, 0.0f),
          stimulus(x, ExtraKind::kJump, 0, j, 0.0f), v_at < 0 ? 0.0f : s->parts[0][static_cast<size_t>(v_at)][static_cast<size_t>(j)],
          x.addresses == nullptr ? 0u : word_of_neuron(x, j)};
  for (size_t r = 0; r < group.receptors.size(); ++r) {
    const PlainReceptor& receptor = *group.receptors[r];
    const int64_t port = static_cast<int64_t>(r);
    const size_t at = static_cast<size_t>((j / kWidth * x.n_ports + port) * kWidth + j % kWidth);
    values_of(x.ports[r].params, receptor.params.size(), j, p);
    variables_of(s->parts[r + 1], j, v);
    if (group.early) receptor.early(p, v, s->early[at]);
    receptor.receive(p, v, stimulus(x, ExtraKind::kArrival, port, j, group.late ? s->late[at] : 0.0f), &d);
    keep(v, j, &s->parts[r + 1]);
  }
  values_of(x.params, group.cell->params.size(), j, p);
  variables_of(s->parts[0], j, v);
  const bool fires = group.cell->step(p, v, d, x.with_g, x.with_jump);
  keep(v, j, &s->parts[0]);
  return fires && (x.alive == nullptr || (x.alive[j / 32] >> j % 32 & 1) != 0);
}

std::vector<std::vector<float>> draw_variables(const std::vector<Range>& ranges, Random* random) {
  std::vector<std::vector<float>> out(ranges.size());
  for (size_t k = 0; k < ranges.size(); ++k) {
    const bool held = std::strcmp(ranges[k].name, "cell.left") == 0;  // steps that some LIF neurons are still held
    for (int64_t j = 0; j < kN; ++j) {
      out[k].push_back(held && random->below(8) == 0 ? static_cast<float>(random->below(5)) : random->between(ranges[k].low, ranges[k].high));
    }
  }
  return out;
}

State make_state(const Group& group, Random* random) {
  State s;
  s.parts.push_back(draw_variables(group.cell->state, random));
  for (const PlainReceptor* receptor : group.receptors) s.parts.push_back(draw_variables(receptor->state, random));
  for (size_t k = 0; k < static_cast<size_t>(kBlocks * kWidth) * group.receptors.size(); ++k) {
    s.late.push_back(random->below(4) == 0 ? random->between(0, 3) : 0.0f);
    s.early.push_back(random->below(4) == 0 ? random->between(0, 3) : 0.0f);
  }
  s.words.assign(kWords, 0);
  return s;
}

// Points the description at a state.
void point_at(const Group& group, State* s, std::vector<PortStep>* ports, GroupStep* x) {
  for (size_t k = 0; k < s->parts[0].size(); ++k) x->state[k] = s->parts[0][k].data();
  for (size_t r = 0; r < ports->size(); ++r) {
    for (size_t k = 0; k < s->parts[r + 1].size(); ++k) (*ports)[r].state[k] = s->parts[r + 1][k].data();
  }
  x->words = s->words.data();
  x->late = group.late ? s->late.data() : nullptr;
  x->early = group.early ? s->early.data() : nullptr;
}

GroupStep describe(const Group& group, Constants* constants, std::vector<PortStep>* ports) {
  GroupStep x;
  x.n = kN;
  x.width = kWidth;
  x.n_blocks = kBlocks;
  x.bounds = kBounds;
  x.n_spans = 3;
  x.cell = cell_number(group.cell->name);
  if (neuro4d::manifest().cells[x.cell].random) x.addresses = kAddresses;
  x.key[0] = 17;
  x.key[1] = 23;
  constants->make(group.modes, group.cell->params, x.params);
  for (const PlainReceptor* receptor : group.receptors) {
    PortStep port;
    port.receptor = receptor_number(receptor->name);
    constants->make(group.modes, receptor->params, port.params);
    ports->push_back(port);
    x.with_g = x.with_g || neuro4d::manifest().receptors[port.receptor].gives_g;
    x.with_jump = x.with_jump || neuro4d::manifest().receptors[port.receptor].gives_jump;
  }
  for (const Extra& extra : group.extras) {
    x.with_g = x.with_g || extra.kind == ExtraKind::kConductance;
    x.with_jump = x.with_jump || extra.kind == ExtraKind::kJump;
  }
  x.ports = ports->data();
  x.n_ports = static_cast<int64_t>(ports->size());
  x.extras = group.extras.data();
  x.n_extras = static_cast<int64_t>(group.extras.size());
  return x;
}

void remembered(const GroupStep& x, const std::vector<int32_t>& fired, Report* report) {
  std::vector<int32_t> ids(4 * kN, -1), count(4, -1);
  neuro4d::GroupElement e;
  e.step = x;
  e.ring_ids = ids.data();
  e.ring_count = count.data();
  e.depth = 4;
  neuro4d::remember(e, 7, x.words);
  if (neuro4d::manifest().cells[x.cell].made) {
    CLAIM(report, count == std::vector<int32_t>(4, -1));  // left to another handler
    return;
  }
  CLAIM(report, count == (std::vector<int32_t>{-1, -1, -1, static_cast<int32_t>(fired.size())}));
  CLAIM(report, std::vector<int32_t>(ids.begin() + 3 * kN, ids.begin() + 3 * kN + static_cast<int64_t>(fired.size())) == fired);
}

void compare(Isa isa, const Group& group, uint64_t seed, Report* report, Digest* digest) {
  Random random(seed);
  Constants constants(&random);
  std::vector<PortStep> ports;
  GroupStep x = describe(group, &constants, &ports);
  std::vector<uint32_t> alive;
  for (int64_t k = 0; k < kWords; ++k) alive.push_back(random.word() | random.word());
  if (group.mortal) x.alive = alive.data();
  State state = make_state(group, &random), plain = state;
  auto room = std::make_unique<Room>();
  size_t spikes = 0;
  for (x.k = 0; x.k < kSteps; ++x.k) {
    x.elapsed = 40 + static_cast<uint32_t>(x.k);
    const std::vector<float> late = state.late;
    point_at(group, &state, &ports, &x);
    for (int64_t block = 0; block < kBlocks; ++block) kernels(isa).block(x, block, room->scratch());
    std::vector<int32_t> fired;
    std::vector<uint32_t> words(kWords, 0);
    for (int64_t j = 0; j < kN; ++j) {
      if (!step_plainly(group, x, j, &plain)) continue;
      fired.push_back(static_cast<int32_t>(j));
      words[static_cast<size_t>(j / 32)] |= 1u << j % 32;
    }
    CLAIM(report, state.words == words);
    for (size_t part = 0; part < state.parts.size(); ++part) {
      for (size_t k = 0; k < state.parts[part].size(); ++k) {
        CLAIM(report, same_bytes(state.parts[part][k], plain.parts[part][k]));
        digest->add(state.parts[part][k]);
      }
    }
    remembered(x, fired, report);
    digest->add(state.words);
    spikes += fired.size();
    state.late = late;  // arrivals of stimuli are added there
  }
  CLAIM(report, group.cell->silent ? spikes == 0 : spikes > 50);
  for (const float v : state.parts[0][0]) CLAIM(report, std::isfinite(v));  // the bits of NaN would be left to the processor
}

// The manifest lists what is compared here, all of it, in the order of the ranges.
void manifest_is_known(Report* report) {
  const auto same_names = [](const neuro4d::Field* fields, int64_t n, const std::vector<Range>& ranges) {
    bool same = n == static_cast<int64_t>(ranges.size());
    for (int64_t k = 0; same && k < n; ++k) {
      same = std::strcmp(fields[k].text, ranges[static_cast<size_t>(k)].name) == 0 && fields[k].hash == neuro4d::name_hash(fields[k].text);
    }
    return same;
  };
  const auto same_part = [&](const neuro4d::Part& part, const char* name, const std::vector<Range>& params, const std::vector<Range>& state) {
    return std::strcmp(part.name, name) == 0 && same_names(part.params, part.n_params, params) && same_names(part.state, part.n_state, state);
  };
  const neuro4d::Manifest& all = neuro4d::manifest();
  CLAIM(report, all.n_cells == static_cast<int64_t>(plain_cells().size()));
  CLAIM(report, all.n_receptors == static_cast<int64_t>(plain_receptors().size()));
  for (size_t k = 0; k < plain_cells().size(); ++k) {
    CLAIM(report, same_part(all.cells[k], plain_cells()[k].name, plain_cells()[k].params, plain_cells()[k].state));
  }
  for (size_t k = 0; k < plain_receptors().size(); ++k) {
    CLAIM(report, same_part(all.receptors[k], plain_receptors()[k].name, plain_receptors()[k].params, plain_receptors()[k].state));
  }
}

}  // namespace

void test_step(Isa isa, Report* report, Digest* digest) {
  manifest_is_known(report);
  const ExtraKind current = ExtraKind::kCurrent, conductance = ExtraKind::kConductance, jump = ExtraKind::kJump, arrival = ExtraKind::kArrival;
  Random random(5);
  Constants made(&random);
  const Extra all = made.steady(current, false, 30, 30), each = made.steady(current, true, 0, 50);
  const std::vector<Extra> none, clamp{all}, noise{each}, wave{made.changing(current, false, 0, 60)}, rows{made.changing(current, true, 0, 50)},
      many{each, made.steady(conductance, false, 0.5f, 0.5f), made.steady(jump, false, 0.5f, 0.5f), made.steady(arrival, false, 0.5f, 0.5f), all},
      shifting{all, made.changing(current, false, -20, 40), made.changing(conductance, true, 0, 1), made.changing(jump, false, 0, 1),
               made.changing(arrival, true, 0, 1)};
  const std::vector<PlainReceptor>& known = plain_receptors();
  const PlainReceptor *i = &known[0], *g = &known[1], *ai = &known[2], *ag = &known[3], *d = &known[4], *p = &known[5];
  const PlainReceptor *di = &known[6], *dg = &known[7], *m = &known[8], *b = &known[9];
  using Kinds = std::vector<std::vector<const PlainReceptor*>>;
  const Kinds few = {{i}, {g, g}, {d}, {g, ai, d, p, i, ag, di, dg, b}, {g, m, b, i}};  // each receptor is tried with the first cell
  const Kinds more = {{i}, {i, i}, {i, i, i}, {i, i, i, i}, {g}, {g, g}, {g, g, g}, {ai}, {ai, ai}, {ag}, {ag, ag, ag},
                      {d}, {d, d}, {p}, {p, p, p}, {di}, {dg, m}, {b}, {d, g, i}, {i, d}, {g, ai, d, p, i, ag, di, dg, m, b}};
  uint64_t seed = 100;
  std::vector<PlainCell> cells = plain_cells();
  cells.insert(cells.end(), plain_variants().begin(), plain_variants().end());
  for (const PlainCell& cell : cells) {
    const bool seen = neuro4d::manifest().cells[cell_number(cell.name)].v_at >= 0;
    for (const Modes modes : {Modes::kAll, Modes::kSpan, Modes::kNeuron, Modes::kMixed}) {
      for (const auto& receptors : &cell == &cells[0] ? more : few) {
        if (!seen && std::find(receptors.begin(), receptors.end(), m) != receptors.end()) continue;  // it depends on the potential
        compare(isa, {&cell, receptors, modes, clamp, true, false, false}, ++seed, report, digest);
        compare(isa, {&cell, receptors, modes, noise, true, true, false}, ++seed, report, digest);
        compare(isa, {&cell, receptors, modes, none, false, true, true}, ++seed, report, digest);
        compare(isa, {&cell, receptors, modes, many, true, false, false}, ++seed, report, digest);
        compare(isa, {&cell, receptors, modes, wave, false, true, false}, ++seed, report, digest);
        compare(isa, {&cell, receptors, modes, rows, true, true, false}, ++seed, report, digest);
        compare(isa, {&cell, receptors, modes, shifting, true, true, true}, ++seed, report, digest);
      }
      compare(isa, {&cell, {}, modes, {all, shifting[3]}, false, false, false}, ++seed, report, digest);
    }
  }
}

}  // namespace n4_test
