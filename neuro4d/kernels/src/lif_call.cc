#include "lif_call.h"


namespace neuro4d {

namespace {

using D = ffi::DataType;

// A float32 parameter: (), (1,), (n_spans,) or (n,).
ffi::Error check_param(const Operand& x, const LifCall& call, ffi::DataType dtype) {
  if (x.dtype != dtype || x.rank > 1) return bad("a parameter has type float32 (int32 for the refractory steps) and at most one axis");
  if (x.rank == 0 || x.dims[0] == 1 || x.dims[0] == call.n_spans || x.dims[0] == call.n) return ffi::Error::Success();
  return bad(say("a parameter has one value, one per span or one per neuron; got", x.dims[0]));
}

ffi::Error read_neurons(CallBuffers* buffers, bool mortal, LifCall* call) {
  N4_TRY(buffers->read(N4_NAME("count"), &call->count));
  N4_TRY(buffers->read(N4_NAME("step"), &call->step));
  N4_TRY(buffers->read(N4_NAME("start"), &call->start));
  N4_TRY(buffers->read(N4_NAME("key"), &call->key));
  N4_TRY(buffers->carry(N4_NAME("v"), true, &call->v));
  N4_TRY(buffers->carry(N4_NAME("left"), true, &call->left));
  constexpr Name kParams[7] = {N4_NAME("leak"),   N4_NAME("resistance"), N4_NAME("rate"),   N4_NAME("g_leak"),
                               N4_NAME("v_rest"), N4_NAME("v_th"), N4_NAME("v_reset")};
  for (int k = 0; k < 7; ++k) N4_TRY(buffers->read(kParams[k], &call->constants[k]));
  N4_TRY(buffers->read(N4_NAME("hold"), &call->hold));
  N4_TRY(buffers->read(N4_NAME("bounds"), &call->bounds));
  call->mortal = mortal;
  if (mortal) N4_TRY(buffers->read(N4_NAME("alive"), &call->alive));
  if (!has(call->count, D::S32, 0)) return bad("expected an int32 scalar as number of steps");
  if (!has(call->step, D::U32, 0) || !has(call->start, D::U32, 0)) return bad("expected uint32 scalars as step and start");
  if (!has(call->key, D::U32, 1) || call->key.dims[0] != 2) return bad("expected two uint32 words as key");
  if (!has(call->v, D::F32, 1) || !has(call->left, D::F32, 1)) return bad("expected v and left float32 (n,)");
  if (!has(call->bounds, D::S32, 1) || call->bounds.dims[0] < 2) return bad("expected bounds int32 (n_spans + 1,)");
  call->n = call->v.dims[0];
  call->n_spans = call->bounds.dims[0] - 1;
  if (call->left.dims[0] != call->n) return bad("v and left must agree in neurons");
  if (mortal && (!has(call->alive, D::U32, 1) || call->alive.dims[0] != call->n_words())) return bad("expected alive uint32 (n_words,)");
  for (const Operand& x : call->constants) N4_TRY(check_param(x, *call, D::F32));
  return check_param(call->hold, *call, D::S32);
}

ffi::Error read_rings(CallBuffers* buffers, int64_t rings, LifCall* call) {
  if (rings < 1) return bad("the ring of the group itself is missing");
  call->rings.resize(static_cast<size_t>(rings));
  for (size_t r = 0; r < call->rings.size(); ++r) {
    const int64_t number = static_cast<int64_t>(r);
    N4_TRY(buffers->carry(N4_NAMES("ring.ids", number), r == 0, &call->rings[r].ids));
    N4_TRY(buffers->carry(N4_NAMES("ring.count", number), r == 0, &call->rings[r].count));
    N4_TRY(check(call->rings[r]));
  }
  if (call->rings[0].ids.dims[1] != call->n) return bad("the ring of the group has another number of neurons");
  return ffi::Error::Success();
}

ffi::Error read_ports(CallBuffers* buffers, ffi::Span<const int64_t> kinds, LifCall* call) {
  if (kinds.size() > static_cast<size_t>(kMostPorts)) return bad(say("at most", kMostPorts) + " ports");
  call->ports.reserve(kinds.size());
  for (int64_t kind : kinds) {
    const int64_t number = static_cast<int64_t>(call->ports.size());
    if (kind < 0 || kind > 2) return bad(say("unknown kind of port", kind));
    LifPortOperands port;
    port.kind = static_cast<PortKind>(kind);
    if (port.kind != PortKind::kDelta) {
      N4_TRY(buffers->carry(N4_NAMES("port.state", number), true, &port.state));
      if (!has(port.state, D::F32, 1) || port.state.dims[0] != call->n) return bad("a port's state is float32 (n,)");
      N4_TRY(buffers->read(N4_NAMES("port.decay", number), &port.decay));
      N4_TRY(buffers->read(N4_NAMES("port.held", number), &port.held));
      N4_TRY(check_param(port.decay, *call, D::F32));
      N4_TRY(check_param(port.held, *call, D::F32));
    }
    if (port.kind == PortKind::kConductance) {
      N4_TRY(buffers->read(N4_NAMES("port.e_rev", number), &port.e_rev));
      N4_TRY(check_param(port.e_rev, *call, D::F32));
      call->with_g = true;
    }
    call->ports.push_back(port);
  }
  return ffi::Error::Success();
}

ffi::Error read_paths(CallBuffers* buffers, const LifCallSpec& plan, LifCall* call) {
  if (plan.paths.size() % 3 != 0) return bad("three numbers per pathway expected");
  call->paths.reserve(plan.paths.size() / 3);
  for (size_t k = 0; k < plan.paths.size(); k += 3) {
    LifPath path;
    path.ring = plan.paths[k];
    path.early = plan.paths[k + 2] != 0;
    if (path.ring < 0 || path.ring >= static_cast<int64_t>(call->rings.size())) return bad(say("no ring", path.ring));
    Synapses& s = path.synapses;
    N4_TRY(read_synapses(buffers, static_cast<int64_t>(k / 3), plan.paths[k + 1], &s));
    N4_TRY(check(s, call->n_blocks));
    N4_TRY(choose(s, D::F32, plan.isa, &path.run));
    call->paths.push_back(path);
  }
  return ffi::Error::Success();
}

ffi::Error check_runs(const LifPoisson& x, const LifCall& call) {
  const int64_t segments = x.weight.dims[0];
  for (int64_t b = 0; b < (x.runs.step[0] == 0 ? 1 : call.batch.total); ++b) {
    const PoissonRun* runs = x.runs.at<PoissonRun>(call.batch, b);
    for (int64_t r = 0; r < x.runs.dims[0]; ++r) {
      const int64_t last = runs[r].segment + static_cast<int64_t>(runs[r].stride) * (runs[r].size - 1);
      const int64_t end = static_cast<int64_t>(runs[r].first) + runs[r].size;
      if (runs[r].first < 0 || runs[r].size < 0 || end > call.n || runs[r].segment < 0 || runs[r].stride < 0 || last >= segments) {
        return bad(say("run", r) + " of Poisson input lies outside the group or its segments");
      }
    }
  }
  return ffi::Error::Success();
}

ffi::Error read_poisson(CallBuffers* buffers, ffi::Span<const int64_t> ports, LifCall* call) {
  call->poisson.reserve(ports.size());
  for (int64_t port : ports) {
    LifPoisson x;
    x.port = port;
    if (port < 0 || port >= static_cast<int64_t>(call->ports.size())) return bad(say("no port", port));
    const int64_t number = static_cast<int64_t>(call->poisson.size());
    N4_TRY(buffers->read(N4_NAMES("poisson.runs", number), &x.runs));
    N4_TRY(buffers->read(N4_NAMES("poisson.thresholds", number), &x.thresholds));
    N4_TRY(buffers->read(N4_NAMES("poisson.weight", number), &x.weight));
    N4_TRY(buffers->read(N4_NAMES("poisson.a0", number), &x.a0));
    N4_TRY(buffers->read(N4_NAMES("poisson.b0", number), &x.b0));
    if (!has(x.runs, D::S32, 2) || x.runs.dims[1] != 4) return bad("expected runs int32 (n_runs, 4)");
    if (!has(x.thresholds, D::U32, 2) || !has(x.weight, D::F32, 1) || !has(x.a0, D::U32, 1) || !has(x.b0, D::U32, 1)) {
      return bad("expected thresholds uint32 (segments, length), weight float32 and addresses uint32 (segments,)");
    }
    const int64_t segments = x.weight.dims[0];
    if (x.thresholds.dims[0] != segments || x.a0.dims[0] != segments || x.b0.dims[0] != segments) {
      return bad("thresholds, weights and addresses must agree in segments");
    }
    N4_TRY(check_runs(x, *call));
    call->poisson.push_back(x);
  }
  return ffi::Error::Success();
}

ffi::Error read_extras(CallBuffers* buffers, ffi::Span<const int64_t> extras, LifCall* call) {
  if (extras.size() % 2 != 0) return bad("two numbers per extra expected");
  call->extras.reserve(extras.size() / 2);
  for (size_t k = 0; k < extras.size(); k += 2) {
    LifExtra x;
    if (extras[k] < 0 || extras[k] > 3) return bad(say("unknown kind of extra", extras[k]));
    x.kind = static_cast<ExtraKind>(extras[k]);
    x.port = extras[k + 1];
    if (x.kind == ExtraKind::kArrival && (x.port < 0 || x.port >= static_cast<int64_t>(call->ports.size()))) {
      return bad(say("no port", x.port));
    }
    N4_TRY(buffers->read(N4_NAMES("extra.value", static_cast<int64_t>(call->extras.size())), &x.value));
    if (x.value.dtype != D::F32 || x.value.rank > 1 || (x.value.rank == 1 && x.value.dims[0] != 1 && x.value.dims[0] != call->n)) {
      return bad("what a stimulus adds is float32, one value or one per neuron");
    }
    call->with_g = call->with_g || x.kind == ExtraKind::kConductance;
    call->extras.push_back(x);
  }
  return ffi::Error::Success();
}

ffi::Error take_results(CallBuffers* buffers, LifCall* call) {
  const size_t elements = static_cast<size_t>(call->batch.total);
  N4_TRY(buffers->make(N4_NAME("words"), elements * static_cast<size_t>(call->length * call->n_words()) * 4, &call->words));
  bool late = !call->poisson.empty(), early = false;
  for (const LifExtra& extra : call->extras) late = late || extra.kind == ExtraKind::kArrival;
  for (const LifPath& path : call->paths) (path.early ? early : late) = true;
  const size_t sums = elements * static_cast<size_t>(call->n_blocks * call->block_size()) * 4;
  if (late) N4_TRY(buffers->make(N4_NAME("late"), sums, &call->late));
  if (early) N4_TRY(buffers->make(N4_NAME("early"), sums, &call->early));
  return buffers->finish();
}

}  // namespace

ffi::Error decode(ffi::RemainingArgs args, ffi::RemainingRets rets, const LifCallSpec& plan, LifCall* call) {
  if (!decode(plan.attributes.batch, &call->batch)) return bad("more batch axes than served");
  CallBuffers buffers(args, rets, plan.attributes, call->batch);
  N4_TRY(read_neurons(&buffers, plan.mortal != 0, call));
  if (plan.width < 1) return bad(say("the width of a block is at least 1; got", plan.width));
  call->width = plan.width;
  if (plan.length < 1) return bad(say("a call has room for at least one step; got", plan.length));
  if (plan.length > 1 && plan.rings != 1) return bad("several steps at a time need a group that hears only itself");
  call->length = plan.length;
  call->n_blocks = (call->n + plan.width - 1) / plan.width;
  if (call->n_blocks > 1 && plan.width % 32 != 0) return bad("the width of several blocks is a multiple of 32");
  N4_TRY(read_rings(&buffers, plan.rings, call));
  N4_TRY(read_ports(&buffers, plan.ports, call));
  N4_TRY(read_paths(&buffers, plan, call));
  N4_TRY(read_poisson(&buffers, plan.poisson, call));
  N4_TRY(read_extras(&buffers, plan.extras, call));
  return take_results(&buffers, call);
}

}  // namespace neuro4d
