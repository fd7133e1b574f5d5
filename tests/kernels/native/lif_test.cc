// The step of LIF groups against a loop over neurons: all kinds of receptor and of parameter, stimuli, and the spikes.
#include <memory>

#include "check.h"
#include "lif_element.h"
#include "numbers.h"

namespace n4_test {

namespace {

using neuro4d::ExtraKind;
using neuro4d::Isa;
using neuro4d::Param;
using neuro4d::PortKind;

struct Group {
  std::vector<PortKind> kinds;
  Param::Mode mode;
  bool early;
  std::vector<neuro4d::Extra> extras;
};

constexpr int64_t kN = 1300, kWidth = 640, kBlocks = 3;
constexpr int32_t kBounds[] = {0, 7, 600, 1300};

// Everything that a step reads and writes, owned.
struct State {
  std::vector<float> v, left, late, early;
  std::vector<std::vector<float>> receptors;
  std::vector<uint32_t> words;
};

class Constants {
 public:
  Constants(Param::Mode mode, Random* random) : mode_(mode), random_(random) {}

  Param make(float low, float high) {
    const int64_t size = mode_ == Param::kAll ? 1 : mode_ == Param::kSpan ? 3 : kN;
    held_.push_back(std::make_unique<std::vector<float>>());
    for (int64_t i = 0; i < size; ++i) held_.back()->push_back(random_->between(low, high));
    return Param{held_.back()->data(), mode_};
  }

  Param same(float value, Param::Mode mode) {
    held_.push_back(std::make_unique<std::vector<float>>(kN, value));
    return Param{held_.back()->data(), mode};
  }

 private:
  const Param::Mode mode_;
  Random* const random_;
  std::vector<std::unique_ptr<std::vector<float>>> held_;
};

template <typename T>
T value_of(const T* data, Param::Mode mode, int64_t j) {
  if (mode == Param::kNeuron) return data[j];
  return data[mode == Param::kAll ? 0 : j < kBounds[1] ? 0 : j < kBounds[2] ? 1 : 2];
}

float value_of(const Param& p, int64_t j) { return value_of(p.data, p.mode, j); }

float one_minus_exponential(float x) {
  float in[16], out[16];
  for (float& each : in) each = x;
  numbers_baseline().one_minus_exponential(in, 16, out);  // how near it comes to 1 - e^x is tested with the numbers
  return out[0];
}

float stimulus(const neuro4d::LifStep& x, ExtraKind kind, int64_t port, int64_t j, float from) {
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind == kind && x.extras[e].port == port) from = from + value_of(x.extras[e].value, j);
  }
  return from;
}

struct Drive {
  float g, i, jump;
};

// Adds the share of the receptors, and moves them on.
void receive_plainly(const neuro4d::LifStep& x, int64_t j, State* s, Drive* d) {
  for (int64_t p = 0; p < x.n_ports; ++p) {
    const neuro4d::LifPort& port = x.ports[p];
    const size_t at = static_cast<size_t>((j / kWidth * x.n_ports + p) * kWidth + j % kWidth);
    const float arrival = stimulus(x, ExtraKind::kArrival, p, j, s->late[at]);
    if (port.kind == PortKind::kDelta) {
      d->jump = d->jump + arrival;
      continue;
    }
    float& state = s->receptors[static_cast<size_t>(p)][static_cast<size_t>(j)];
    const float now = x.early == nullptr ? state : state + s->early[at];
    const float mean = now * value_of(port.held, j);
    if (port.kind == PortKind::kConductance) {
      d->g = d->g + mean;
      d->i = d->i + mean * value_of(port.e_rev, j);
    } else {
      d->i = d->i + mean;
    }
    state = now * value_of(port.decay, j) + arrival;
  }
}

// Returns whether the neuron fired.
bool step_plainly(const neuro4d::LifStep& x, int64_t j, State* s) {
  Drive d{stimulus(x, ExtraKind::kConductance, 0, j, 0.0f), stimulus(x, ExtraKind::kCurrent, 0, j, 0.0f),
          stimulus(x, ExtraKind::kJump, 0, j, 0.0f)};
  receive_plainly(x, j, s, &d);
  const neuro4d::LifConstants& c = x.constants;
  float& v = s->v[static_cast<size_t>(j)];
  float& left = s->left[static_cast<size_t>(j)];
  if (left >= 0.5f) {
    left = left - 1.0f;
    return false;
  }
  float change = value_of(c.v_rest, j) - v;
  if (x.with_g) {
    const float total = value_of(c.g_leak, j) + d.g;
    change = (value_of(c.g_leak, j) * change + (d.i - d.g * v)) / total * one_minus_exponential(-value_of(c.rate, j) * total);
  } else {
    change = value_of(c.leak, j) * (change + value_of(c.resistance, j) * d.i);
  }
  change = change + (left + d.jump);
  const float after = v + change;
  left = change - (after - v);
  v = after;
  if (!(v >= value_of(c.v_th, j))) return false;
  v = value_of(c.v_reset, j);
  left = static_cast<float>(value_of(c.hold, c.hold_mode, j));
  return true;
}

State make_state(const Group& group, Random* random) {
  State s;
  const size_t sums = static_cast<size_t>(kBlocks * kWidth) * group.kinds.size();
  for (int64_t j = 0; j < kN; ++j) {
    s.v.push_back(random->between(-65, -49));
    s.left.push_back(random->below(8) == 0 ? static_cast<float>(random->below(5)) : random->between(-1e-6f, 1e-6f));
  }
  s.receptors.resize(group.kinds.size());
  for (auto& receptor : s.receptors) {
    for (int64_t j = 0; j < kN; ++j) receptor.push_back(random->between(0, 20));
  }
  for (size_t k = 0; k < sums; ++k) {
    s.late.push_back(random->below(4) == 0 ? random->between(0, 3) : 0.0f);
    s.early.push_back(random->below(4) == 0 ? random->between(0, 3) : 0.0f);
  }
  s.words.assign((kN + 31) / 32, 0);
  return s;
}

// Points the description at a state.
void point_at(State* s, bool early, std::vector<neuro4d::LifPort>* ports, neuro4d::LifStep* x) {
  x->v = s->v.data();
  x->left = s->left.data();
  x->words = s->words.data();
  x->late = s->late.data();
  x->early = early ? s->early.data() : nullptr;
  for (size_t p = 0; p < ports->size(); ++p) (*ports)[p].state = s->receptors[p].data();
  x->ports = ports->data();
}

void remembered(const neuro4d::LifStep& x, const std::vector<int32_t>& fired, Report* report) {
  std::vector<int32_t> ids(4 * kN, -1), count(4, -1);
  neuro4d::Element e;
  e.step = x;
  e.ring_ids = ids.data();
  e.ring_count = count.data();
  e.depth = 4;
  neuro4d::remember(e, 7, x.words);
  CLAIM(report, count == (std::vector<int32_t>{-1, -1, -1, static_cast<int32_t>(fired.size())}));
  CLAIM(report, std::vector<int32_t>(ids.begin() + 3 * kN, ids.begin() + 3 * kN + static_cast<int64_t>(fired.size())) == fired);
}

void compare(Isa isa, const Group& group, uint64_t seed, Report* report, Digest* digest) {
  Random random(seed);
  Constants constants(group.mode, &random);
  std::vector<neuro4d::LifPort> ports;
  neuro4d::LifStep x;
  for (const PortKind kind : group.kinds) {
    neuro4d::LifPort port;
    port.kind = kind;
    port.decay = constants.make(0.8f, 0.99f);
    port.held = constants.make(0.9f, 1.0f);
    port.e_rev = constants.make(-80, 0);
    ports.push_back(port);
    x.with_g = x.with_g || kind == PortKind::kConductance;
  }
  for (const neuro4d::Extra& extra : group.extras) x.with_g = x.with_g || extra.kind == ExtraKind::kConductance;
  neuro4d::LifConstants& c = x.constants;
  c.leak = constants.make(0.001f, 0.02f);
  c.resistance = constants.make(0.05f, 0.2f);
  c.rate = constants.make(4e-4f, 6e-4f);
  c.g_leak = constants.make(9, 11);
  c.v_rest = constants.make(-61, -59);
  c.v_th = constants.make(-51, -50);
  c.v_reset = constants.make(-61, -59);
  const std::vector<int32_t> hold(kN, 3);
  c.hold = hold.data();
  c.hold_mode = group.mode;
  x.n = kN;
  x.width = kWidth;
  x.n_blocks = kBlocks;
  x.bounds = kBounds;
  x.n_spans = 3;
  x.n_ports = static_cast<int64_t>(ports.size());
  x.extras = group.extras.data();
  x.n_extras = static_cast<int64_t>(group.extras.size());
  State state = make_state(group, &random), plain = state;
  auto room = std::make_unique<neuro4d::Scratch>();
  int64_t spikes = 0;
  for (int step = 0; step < 12; ++step) {
    const std::vector<float> late = state.late;
    plain.late = late;
    point_at(&state, group.early, &ports, &x);
    for (int64_t block = 0; block < kBlocks; ++block) lif_block(isa)(x, block, room.get());
    std::vector<int32_t> fired;
    for (int64_t j = 0; j < kN; ++j) {
      if (step_plainly(x, j, &plain)) fired.push_back(static_cast<int32_t>(j));
    }
    std::vector<uint32_t> words((kN + 31) / 32, 0);
    for (const int32_t j : fired) words[static_cast<size_t>(j / 32)] |= 1u << j % 32;
    CLAIM(report, same_bytes(state.v, plain.v));
    CLAIM(report, same_bytes(state.left, plain.left) && state.words == words);
    for (size_t p = 0; p < ports.size(); ++p) {
      if (group.kinds[p] != PortKind::kDelta) CLAIM(report, same_bytes(state.receptors[p], plain.receptors[p]));
      digest->add(state.receptors[p]);
    }
    remembered(x, fired, report);
    digest->add(state.v);
    digest->add(state.words);
    spikes += static_cast<int64_t>(fired.size());
    state.late = late;  // arrivals of stimuli are added there
  }
  CLAIM(report, spikes > 50);
}

}  // namespace

void test_lif(Isa isa, Report* report, Digest* digest) {
  const PortKind i = PortKind::kCurrent, g = PortKind::kConductance, d = PortKind::kDelta;
  Random random(5);
  Constants stimuli(Param::kNeuron, &random);
  const Param each = stimuli.make(0, 50), all = stimuli.same(30.0f, Param::kAll), small = stimuli.same(0.5f, Param::kAll);
  const std::vector<neuro4d::Extra> none, clamp{{ExtraKind::kCurrent, 0, all}}, noise{{ExtraKind::kCurrent, 0, each}},
      many{{ExtraKind::kCurrent, 0, each}, {ExtraKind::kConductance, 0, small}, {ExtraKind::kJump, 0, small},
           {ExtraKind::kArrival, 0, small}, {ExtraKind::kCurrent, 0, all}};
  uint64_t seed = 100;
  for (const Param::Mode mode : {Param::kAll, Param::kSpan, Param::kNeuron}) {
    for (const std::vector<PortKind>& kinds : std::vector<std::vector<PortKind>>{
             {i}, {i, i}, {i, i, i}, {i, i, i, i}, {g}, {g, g}, {g, g, g}, {d}, {d, g, i}, {i, d}}) {
      compare(isa, {kinds, mode, false, clamp}, ++seed, report, digest);
      compare(isa, {kinds, mode, true, noise}, ++seed, report, digest);
      compare(isa, {kinds, mode, true, none}, ++seed, report, digest);
      compare(isa, {kinds, mode, false, many}, ++seed, report, digest);
    }
  }
}

}  // namespace n4_test
