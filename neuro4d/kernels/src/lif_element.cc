#include "lif_element.h"

#include "cpu.h"

namespace neuro4d {

namespace {

Param param(const Operand& x, const LifCall& call, int64_t b) {
  Param out;
  out.data = x.at<float>(call.batch, b);
  const int64_t size = x.rank == 0 ? 1 : x.dims[0];
  out.mode = size == 1 ? Param::kAll : size == call.n_spans ? Param::kSpan : Param::kNeuron;
  return out;
}

template <typename T>
T* writable(const Operand& x, const LifCall& call, int64_t b) {
  return const_cast<T*>(x.at<T>(call.batch, b));
}

void describe_neurons(const LifCall& call, int64_t b, LifStep* x) {
  x->n = call.n;
  x->width = call.width;
  x->n_blocks = call.n_blocks;
  x->v = writable<float>(call.v, call, b);
  x->left = writable<float>(call.left, call, b);
  x->words = reinterpret_cast<uint32_t*>(call.words) + b * call.length * call.n_words();
  LifConstants& c = x->constants;
  Param* const params[7] = {&c.leak, &c.resistance, &c.rate, &c.g_leak, &c.v_rest, &c.v_th, &c.v_reset};
  for (int k = 0; k < 7; ++k) *params[k] = param(call.constants[k], call, b);
  c.hold = call.hold.at<int32_t>(call.batch, b);
  c.hold_mode = param(call.hold, call, b).mode;
  x->bounds = call.bounds.at<int32_t>(call.batch, b);
  if (call.mortal) x->alive = call.alive.at<uint32_t>(call.batch, b);
  x->n_spans = call.n_spans;
  const uint32_t* key = call.key.at<uint32_t>(call.batch, b);
  x->key[0] = key[0];
  x->key[1] = key[1];
  x->elapsed = *call.step.at<uint32_t>(call.batch, b) - *call.start.at<uint32_t>(call.batch, b);
  x->with_g = call.with_g;
  const int64_t sums = call.n_blocks * call.block_size();
  if (call.late != nullptr) x->late = reinterpret_cast<float*>(call.late) + b * sums;
  if (call.early != nullptr) x->early = reinterpret_cast<float*>(call.early) + b * sums;
}

void describe_inputs(const LifCall& call, int64_t b, Element* e) {
  e->ports.reserve(call.ports.size());
  e->poisson.reserve(call.poisson.size());
  e->extras.reserve(call.extras.size());
  e->deliveries.reserve(call.paths.size());
  for (const LifPortOperands& port : call.ports) {
    LifPort p;
    p.kind = port.kind;
    if (port.kind != PortKind::kDelta) {
      p.state = writable<float>(port.state, call, b);
      p.decay = param(port.decay, call, b);
      p.held = param(port.held, call, b);
    }
    if (port.kind == PortKind::kConductance) p.e_rev = param(port.e_rev, call, b);
    e->ports.push_back(p);
  }
  for (const LifPoisson& input : call.poisson) {
    PoissonInput p;
    p.port = input.port;
    p.runs = input.runs.at<PoissonRun>(call.batch, b);
    p.n_runs = input.runs.dims[0];
    p.thresholds = input.thresholds.at<uint32_t>(call.batch, b);
    p.length = input.thresholds.dims[1];
    p.n_segments = input.weight.dims[0];
    p.weight = input.weight.at<float>(call.batch, b);
    p.a0 = input.a0.at<uint32_t>(call.batch, b);
    p.b0 = input.b0.at<uint32_t>(call.batch, b);
    e->poisson.push_back(p);
  }
  for (const LifExtra& extra : call.extras) {
    e->extras.push_back(Extra{extra.kind, extra.port, param(extra.value, call, b)});
    if (e->extras.back().value.mode == Param::kSpan) e->extras.back().value.mode = Param::kNeuron;  // one span per neuron
  }
  e->step.ports = e->ports.data();
  e->step.n_ports = static_cast<int64_t>(e->ports.size());
  e->step.poisson = e->poisson.data();
  e->step.n_poisson = static_cast<int64_t>(e->poisson.size());
  e->step.extras = e->extras.data();
  e->step.n_extras = static_cast<int64_t>(e->extras.size());
}

}  // namespace

ffi::Error describe_element(const LifCall& call, int64_t b, Element* e) {
  e->first_step = *call.step.at<uint32_t>(call.batch, b);
  e->n_steps = *call.count.at<int32_t>(call.batch, b);
  if (e->n_steps < 0 || e->n_steps > call.length) {
    return bad(say("the number of steps lies between 0 and", call.length) + say("; got", e->n_steps));
  }
  e->ring_ids = writable<int32_t>(call.rings[0].ids, call, b);
  e->ring_count = writable<int32_t>(call.rings[0].count, call, b);
  e->depth = call.rings[0].ids.dims[0];
  describe_neurons(call, b, &e->step);
  describe_inputs(call, b, e);
  for (const LifPath& path : call.paths) {
    Delivery x = describe(path.synapses, call.rings[static_cast<size_t>(path.ring)], call.n_blocks, call.batch, b);
    x.step = e->first_step;
    x.acc = path.early ? e->step.early : e->step.late;
    x.block_size = call.block_size();
    if (ffi::Error error = check_ring(x); error.failure()) return error;
    for (int64_t row = 0; row < x.depth; ++row) x.n_spikes += x.count[row];
    x.n_spikes = x.n_spikes * x.n_delays / x.depth;  // a step meets about as many
    e->expected += expected_nanoseconds(x);
    e->deliveries.push_back(x);
  }
  const double per_neuron = cost::kNeuron + cost::kReceptor * static_cast<double>(call.ports.size()) +
                            cost::kPoisson * static_cast<double>(call.poisson.size());
  e->expected += per_neuron * static_cast<double>(call.n);
  return ffi::Error::Success();
}

void remember(const Element& e, uint32_t step, const uint32_t* words) {
  const int64_t row = step & static_cast<uint32_t>(e.depth - 1);
  int32_t* const first = e.ring_ids + row * e.step.n;
  int32_t* out = first;
  const int64_t n_words = (e.step.n + 31) / 32;
  for (int64_t k = 0; k < n_words; ++k) {
    for (uint32_t word = words[k]; word != 0; word &= word - 1) *out++ = static_cast<int32_t>(32 * k) + lowest_bit(word);
  }
  e.ring_count[row] = static_cast<int32_t>(out - first);
}

}  // namespace neuro4d
