#include "lif_call.h"

#include <cstring>

namespace neuro4d {

namespace {

using D = ffi::DataType;

ffi::Error missing(const Reader& reader) {
  return bad(say("operand", static_cast<int64_t>(reader.at())) + " is missing or its shape contradicts its batch axes");
}

// The next result takes over from an operand: same memory, or a copy.
class Results {
 public:
  explicit Results(ffi::RemainingRets rets) : rets_(rets) {}

  char* next(size_t* bytes) {
    if (at_ >= rets_.size()) return nullptr;
    auto buffer = rets_.get<ffi::AnyBuffer>(at_);
    if (!buffer.has_value()) return nullptr;
    ++at_;
    *bytes = (*buffer)->size_bytes();
    return static_cast<char*>((*buffer)->untyped_data());
  }

  bool done() const { return at_ == rets_.size(); }

 private:
  ffi::RemainingRets rets_;
  size_t at_ = 0;
};

struct Streams {
  Reader in;
  Results out;

  ffi::Error read(Operand* x) { return in.next(x) ? ffi::Error::Success() : missing(in); }

  // An operand that the call changes, or hands on.
  ffi::Error carry(Operand* x, bool changed) {
    const void* from = nullptr;
    size_t bytes = 0, size = 0;
    if (!in.next(x, &from, &bytes)) return missing(in);
    if (changed && !in.everywhere()) return bad("state needs every batch axis");
    char* to = out.next(&size);
    if (to == nullptr || size != bytes) return bad("a result differs in size from its operand");
    if (to != from) std::memcpy(to, from, bytes);
    x->data = to;
    return ffi::Error::Success();
  }
};

#define N4_TRY(expression)                                              \
  do {                                                                  \
    if (ffi::Error error = (expression); error.failure()) return error; \
  } while (0)

// A float32 parameter: (), (1,), (n_spans,) or (n,).
ffi::Error check_param(const Operand& x, const LifCall& call, ffi::DataType dtype) {
  if (x.dtype != dtype || x.rank > 1) return bad("a parameter has type float32 (int32 for the refractory steps) and at most one axis");
  if (x.rank == 0 || x.dims[0] == 1 || x.dims[0] == call.n_spans || x.dims[0] == call.n) return ffi::Error::Success();
  return bad(say("a parameter has one value, one per span or one per neuron; got", x.dims[0]));
}

ffi::Error read_neurons(Streams* io, LifCall* call) {
  N4_TRY(io->read(&call->count));
  N4_TRY(io->read(&call->step));
  N4_TRY(io->read(&call->start));
  N4_TRY(io->read(&call->key));
  N4_TRY(io->carry(&call->v, true));
  N4_TRY(io->carry(&call->left, true));
  for (Operand& x : call->constants) N4_TRY(io->read(&x));
  N4_TRY(io->read(&call->hold));
  N4_TRY(io->read(&call->bounds));
  if (!has(call->count, D::S32, 0)) return bad("expected an int32 scalar as number of steps");
  if (!has(call->step, D::U32, 0) || !has(call->start, D::U32, 0)) return bad("expected uint32 scalars as step and start");
  if (!has(call->key, D::U32, 1) || call->key.dims[0] != 2) return bad("expected two uint32 words as key");
  if (!has(call->v, D::F32, 1) || !has(call->left, D::F32, 1)) return bad("expected v and left float32 (n,)");
  if (!has(call->bounds, D::S32, 1) || call->bounds.dims[0] < 2) return bad("expected bounds int32 (n_spans + 1,)");
  call->n = call->v.dims[0];
  call->n_spans = call->bounds.dims[0] - 1;
  if (call->left.dims[0] != call->n) return bad("v and left must agree in neurons");
  for (const Operand& x : call->constants) N4_TRY(check_param(x, *call, D::F32));
  return check_param(call->hold, *call, D::S32);
}

ffi::Error read_rings(Streams* io, int64_t rings, LifCall* call) {
  if (rings < 1) return bad("the ring of the group itself is missing");
  call->rings.resize(static_cast<size_t>(rings));
  for (size_t r = 0; r < call->rings.size(); ++r) {
    N4_TRY(io->carry(&call->rings[r].ids, r == 0));
    N4_TRY(io->carry(&call->rings[r].count, r == 0));
    N4_TRY(check(call->rings[r]));
  }
  if (call->rings[0].ids.dims[1] != call->n) return bad("the ring of the group has another number of neurons");
  return ffi::Error::Success();
}

ffi::Error read_ports(Streams* io, ffi::Span<const int64_t> kinds, LifCall* call) {
  if (kinds.size() > static_cast<size_t>(kMostPorts)) return bad(say("at most", kMostPorts) + " ports");
  call->ports.reserve(kinds.size());
  for (int64_t kind : kinds) {
    if (kind < 0 || kind > 2) return bad(say("unknown kind of port", kind));
    LifPortOperands port;
    port.kind = static_cast<PortKind>(kind);
    if (port.kind != PortKind::kDelta) {
      N4_TRY(io->carry(&port.state, true));
      if (!has(port.state, D::F32, 1) || port.state.dims[0] != call->n) return bad("a port's state is float32 (n,)");
      N4_TRY(io->read(&port.decay));
      N4_TRY(io->read(&port.held));
      N4_TRY(check_param(port.decay, *call, D::F32));
      N4_TRY(check_param(port.held, *call, D::F32));
    }
    if (port.kind == PortKind::kConductance) {
      N4_TRY(io->read(&port.e_rev));
      N4_TRY(check_param(port.e_rev, *call, D::F32));
      call->with_g = true;
    }
    call->ports.push_back(port);
  }
  return ffi::Error::Success();
}

ffi::Error read_paths(Streams* io, const LifPlan& plan, LifCall* call) {
  if (plan.paths.size() % 3 != 0) return bad("three numbers per pathway expected");
  call->paths.reserve(plan.paths.size() / 3);
  for (size_t k = 0; k < plan.paths.size(); k += 3) {
    LifPath path;
    path.ring = plan.paths[k];
    const int64_t kind = plan.paths[k + 1];
    path.early = plan.paths[k + 2] != 0;
    if (path.ring < 0 || path.ring >= static_cast<int64_t>(call->rings.size())) return bad(say("no ring", path.ring));
    if (kind < 0 || kind > 2) return bad(say("unknown kind of weight", kind));
    Synapses& s = path.synapses;
    s.kind = static_cast<WeightKind>(kind);
    for (Operand* x : {&s.delays, &s.start, &s.offset, &s.targets, &s.weight}) N4_TRY(io->read(x));
    N4_TRY(check(s, call->n_blocks));
    N4_TRY(choose(s, D::F32, plan.isa, &path.run));
    call->paths.push_back(path);
  }
  return ffi::Error::Success();
}

ffi::Error check_runs(const LifPoisson& x, const LifCall& call) {
  const int64_t segments = x.weight.dims[0];
  for (int64_t b = 0; b < (x.runs.step[0] == 0 ? 1 : call.levels.batch); ++b) {
    const PoissonRun* runs = x.runs.at<PoissonRun>(call.levels, b);
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

ffi::Error read_poisson(Streams* io, ffi::Span<const int64_t> ports, LifCall* call) {
  call->poisson.reserve(ports.size());
  for (int64_t port : ports) {
    LifPoisson x;
    x.port = port;
    if (port < 0 || port >= static_cast<int64_t>(call->ports.size())) return bad(say("no port", port));
    for (Operand* y : {&x.runs, &x.thresholds, &x.weight, &x.a0, &x.b0}) N4_TRY(io->read(y));
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

ffi::Error read_extras(Streams* io, ffi::Span<const int64_t> extras, LifCall* call) {
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
    N4_TRY(io->read(&x.value));
    if (x.value.dtype != D::F32 || x.value.rank > 1 || (x.value.rank == 1 && x.value.dims[0] != 1 && x.value.dims[0] != call->n)) {
      return bad("what a stimulus adds is float32, one value or one per neuron");
    }
    call->with_g = call->with_g || x.kind == ExtraKind::kConductance;
    call->extras.push_back(x);
  }
  return ffi::Error::Success();
}

ffi::Error take_outputs(Streams* io, LifCall* call) {
  size_t bytes = 0;
  const size_t batch = static_cast<size_t>(call->levels.batch);
  call->words = io->out.next(&bytes);
  if (call->words == nullptr || bytes != batch * static_cast<size_t>(call->length * call->n_words()) * 4) return bad("words: wrong size");
  bool late = !call->poisson.empty(), early = false;
  for (const LifExtra& extra : call->extras) late = late || extra.kind == ExtraKind::kArrival;
  for (const LifPath& path : call->paths) (path.early ? early : late) = true;
  const size_t sums = batch * static_cast<size_t>(call->n_blocks * call->block_size()) * 4;
  for (auto [wanted, target] : {std::pair{late, &call->late}, std::pair{early, &call->early}}) {
    if (!wanted) continue;
    *target = io->out.next(&bytes);
    if (*target == nullptr || bytes != sums) return bad("room for sums: wrong size");
  }
  return io->in.done() && io->out.done() ? ffi::Error::Success() : bad("more operands or results than the plan names");
}

}  // namespace

ffi::Error decode(ffi::RemainingArgs args, ffi::RemainingRets rets, const LifPlan& plan, LifCall* call) {
  if (!decode(plan.levels, &call->levels)) return bad("more batch axes than served");
  Streams io{Reader(args, plan.mapped, call->levels), Results(rets)};
  N4_TRY(read_neurons(&io, call));
  if (plan.width < 1) return bad(say("the width of a block is at least 1; got", plan.width));
  call->width = plan.width;
  if (plan.length < 1) return bad(say("a call has room for at least one step; got", plan.length));
  if (plan.length > 1 && plan.rings != 1) return bad("several steps at a time need a group that hears only itself");
  call->length = plan.length;
  call->n_blocks = (call->n + plan.width - 1) / plan.width;
  if (call->n_blocks > 1 && plan.width % 32 != 0) return bad("the width of several blocks is a multiple of 32");
  N4_TRY(read_rings(&io, plan.rings, call));
  N4_TRY(read_ports(&io, plan.ports, call));
  N4_TRY(read_paths(&io, plan, call));
  N4_TRY(read_poisson(&io, plan.poisson, call));
  N4_TRY(read_extras(&io, plan.extras, call));
  return take_outputs(&io, call);
}

#undef N4_TRY

}  // namespace neuro4d
