#include "run_element.h"

#include <algorithm>

#include "cost.h"
#include "cpu.h"

namespace neuro4d {

namespace {

Param param(const Operand& x, const GroupOperands& group, const BatchShape& batch, int64_t b) {
  Param out;
  out.data = x.at<float>(batch, b);
  const int64_t size = x.rank == 0 ? 1 : x.dims[0];
  out.mode = size == 1 ? Param::kAll : size == group.n_spans ? Param::kSpan : Param::kNeuron;
  return out;
}

template <typename T>
T* writable(const Operand& x, const BatchShape& batch, int64_t b) {
  return const_cast<T*>(x.at<T>(batch, b));
}

void describe_part(const PartOperands& part, const GroupOperands& group, const BatchShape& batch, int64_t b, float** state, Param* params) {
  for (size_t k = 0; k < part.state.size(); ++k) state[k] = writable<float>(part.state[k], batch, b);
  for (size_t k = 0; k < part.params.size(); ++k) params[k] = param(part.params[k], group, batch, b);
}

void describe_neurons(const RunCall& call, const GroupOperands& group, int64_t b, GroupStep* x) {
  x->n = group.n;
  x->width = group.width;
  x->n_blocks = group.n_blocks;
  x->cell = group.cell.kind;
  describe_part(group.cell, group, call.batch, b, x->state, x->params);
  x->words = reinterpret_cast<uint32_t*>(group.words) + b * call.length * group.n_words();
  x->bounds = group.bounds.at<int32_t>(call.batch, b);
  x->n_spans = group.n_spans;
  if (group.mortal) x->alive = group.alive.at<uint32_t>(call.batch, b);
  if (group.addresses.data != nullptr) x->addresses = group.addresses.at<WordAddress>(call.batch, b);
  const uint32_t* key = call.key.at<uint32_t>(call.batch, b);
  x->key[0] = key[0];
  x->key[1] = key[1];
  x->elapsed = *call.step.at<uint32_t>(call.batch, b) - *call.start.at<uint32_t>(call.batch, b);
  x->with_g = group.with_g;
  x->with_jump = group.with_jump;
  x->noisy = group.noisy;
  const int64_t sums = group.n_blocks * group.block_size();
  if (group.late != nullptr) x->late = reinterpret_cast<float*>(group.late) + b * sums;
  if (group.early != nullptr) x->early = reinterpret_cast<float*>(group.early) + b * sums;
}

Extra describe_extra(const ExtraOperands& extra, const BatchShape& batch, int64_t b) {
  Extra out;
  out.kind = extra.kind;
  out.port = extra.port;
  out.value.data = extra.value.at<float>(batch, b);
  const int64_t steps = extra.changes ? 1 : 0;
  const int64_t size = extra.value.rank == steps ? 1 : extra.value.dims[steps];
  out.value.mode = size > 1 ? Param::kNeuron : Param::kAll;
  out.per_step = extra.changes ? size : 0;
  if (out.noise()) {
    out.std.data = extra.std.at<float>(batch, b);
    out.std.mode = extra.std.rank == 1 && extra.std.dims[0] > 1 ? Param::kNeuron : Param::kAll;
    out.first = extra.first;
    out.size = extra.size;
    const uint32_t* address = extra.address.at<uint32_t>(batch, b);
    out.a0 = address[0];
    out.b0 = address[1];
  }
  if (extra.kind == ExtraKind::kColoredNoise) {
    out.memory = writable<float>(extra.memory, batch, b);
    out.decay.data = extra.decay.at<float>(batch, b);
    out.decay.mode = extra.decay.rank == 1 && extra.decay.dims[0] > 1 ? Param::kNeuron : Param::kAll;
  }
  return out;
}

void describe_inputs(const RunCall& call, const GroupOperands& group, int64_t b, GroupElement* e) {
  for (const PartOperands& port : group.ports) {
    PortStep p;
    p.receptor = port.kind;
    describe_part(port, group, call.batch, b, p.state, p.params);
    e->ports.push_back(p);
  }
  for (const PoissonOperands& input : group.poisson) {
    PoissonInput p;
    p.port = input.port;
    p.runs = input.runs.at<PoissonRun>(call.batch, b);
    p.n_runs = input.runs.dims[0];
    p.thresholds = input.thresholds.at<uint32_t>(call.batch, b);
    const int64_t* sizes = input.thresholds.dims + (input.hold == 0 ? 0 : 1);
    p.length = sizes[input.each ? 0 : 1];
    p.segments = sizes[input.each ? 1 : 0];
    p.each = input.each;
    p.hold = input.hold;
    p.n_rows = input.hold == 0 ? 1 : input.thresholds.dims[0];
    p.weight = input.weight.at<float>(call.batch, b);
    p.a0 = input.a0.at<uint32_t>(call.batch, b);
    p.b0 = input.b0.at<uint32_t>(call.batch, b);
    e->poisson.push_back(p);
  }
  for (const ExtraOperands& extra : group.extras) e->extras.push_back(describe_extra(extra, call.batch, b));
  e->step.ports = e->ports.data();
  e->step.n_ports = static_cast<int64_t>(e->ports.size());
  e->step.poisson = e->poisson.data();
  e->step.n_poisson = static_cast<int64_t>(e->poisson.size());
  e->step.extras = e->extras.data();
  e->step.n_extras = static_cast<int64_t>(e->extras.size());
}

ffi::Error describe_group(const RunCall& call, size_t g, int64_t b, Element* whole) {
  const GroupOperands& group = call.groups[g];
  GroupElement* e = &whole->groups[g];
  e->ring_ids = writable<int32_t>(call.rings[g].ids, call.batch, b);
  e->ring_count = writable<int32_t>(call.rings[g].count, call.batch, b);
  e->depth = call.rings[g].ids.dims[0];
  describe_neurons(call, group, b, &e->step);
  describe_inputs(call, group, b, e);
  e->learnings.resize(group.paths.size());
  for (const PathOperands& path : group.paths) {
    Delivery x = describe(path.synapses, call.rings[static_cast<size_t>(path.ring)], group.n_blocks, call.batch, b);
    x.step = whole->first_step;
    x.acc = path.early ? e->step.early : e->step.late;
    x.block_size = group.block_size();
    if (ffi::Error error = check_ring(x); error.failure()) return error;
    for (int64_t row = 0; row < x.depth; ++row) x.n_spikes += x.count[row];
    x.n_spikes = x.n_spikes * x.n_delays / x.depth;  // a step meets about as many
    whole->expected += expected_nanoseconds(x) * (path.learn.learns() ? cost::kLearning : 1.0);
    if (path.learn.learns()) {
      const int64_t n_ports = static_cast<int64_t>(group.ports.size());
      describe_learning(path.learn, x, call.batch, b, group.n, n_ports, whole->n_steps, call.isa,
                        *call.start.at<uint32_t>(call.batch, b), &e->learnings[e->deliveries.size()]);
      whole->learns = true;
    }
    e->deliveries.push_back(x);
  }
  const double per_neuron = cost::kNeuron + cost::kReceptor * static_cast<double>(group.ports.size()) +
                            cost::kPoisson * static_cast<double>(group.poisson.size());
  whole->expected += per_neuron * static_cast<double>(group.n);
  return ffi::Error::Success();
}

// How far groups can go on without waiting for each other. A spike is heard after the shortest delay at the earliest, and the row of the
// past that it takes is free once the longest has passed. Spikes of several blocks are remembered together, so such groups wait.
void find_round(Element* e) {
  int64_t steps = std::max<int64_t>(e->n_steps, 1);
  for (const GroupElement& group : e->groups) {
    if (group.step.n_blocks != 1) steps = 0;
    for (const Delivery& x : group.deliveries) {
      for (int64_t d = 0; d < x.n_delays && steps > 0; ++d) steps = std::min({steps, int64_t{x.delays[d]}, x.depth - x.delays[d]});
    }
  }
  e->apart = steps > 0;
  e->round = std::max<int64_t>(steps, 1);
}

}  // namespace

ffi::Error describe_element(const RunCall& call, int64_t b, Element* e) {
  e->first_step = *call.step.at<uint32_t>(call.batch, b);
  e->n_steps = *call.count.at<int32_t>(call.batch, b);
  if (e->n_steps < 0 || e->n_steps > call.length) {
    return bad(say("the number of steps lies between 0 and", call.length) + say("; got", e->n_steps));
  }
  e->groups.resize(call.groups.size());
  for (size_t g = 0; g < call.groups.size(); ++g) {
    if (ffi::Error error = describe_group(call, g, b, e); error.failure()) return error;
  }
  find_round(e);
  return ffi::Error::Success();
}

void remember(const GroupElement& e, uint32_t step, const uint32_t* words) {
  if (manifest().cells[e.step.cell].made) return;
  const int64_t row = step & static_cast<uint32_t>(e.depth - 1);
  int32_t* const first = e.ring_ids + row * e.step.n;
  int32_t* out = first;
  const int64_t n_words = e.step.n_words();
  for (int64_t k = 0; k < n_words; ++k) {
    for (uint32_t word = words[k]; word != 0; word &= word - 1) *out++ = static_cast<int32_t>(32 * k) + lowest_bit(word);
  }
  e.ring_count[row] = static_cast<int32_t>(out - first);
}

}  // namespace neuro4d
