#include "run_call.h"

namespace neuro4d {

namespace {

using D = ffi::DataType;

// The numbers of a call's lists, taken group by group.
struct Cursors {
  size_t ports = 0, poisson = 0, extras = 0;
};

// A float32 parameter: (), (1,), (n_spans,) or (n,).
ffi::Error check_param(const Operand& x, const GroupOperands& group) {
  if (x.dtype != D::F32 || x.rank > 1) return bad("a parameter has type float32 and at most one axis");
  if (x.rank == 0 || x.dims[0] == 1 || x.dims[0] == group.n_spans || x.dims[0] == group.n) return ffi::Error::Success();
  return bad(say("a parameter has one value, one per span or one per neuron; got", x.dims[0]));
}

// Variables and parameters of a cell or receptor.
ffi::Error read_part(CallBuffers* buffers, const Part& part, int64_t number, const GroupOperands& group, PartOperands* out) {
  out->state.resize(static_cast<size_t>(part.n_state));
  out->params.resize(static_cast<size_t>(part.n_params));
  for (int64_t k = 0; k < part.n_state; ++k) {
    Operand& x = out->state[static_cast<size_t>(k)];
    if (part.made) {
      N4_TRY(buffers->make(part.state[k].of(number), group.n, &x));
      continue;
    }
    N4_TRY(buffers->carry(part.state[k].of(number), true, &x));
    if (!has(x, D::F32, 1) || x.dims[0] != group.n) return bad(text_of(part.state[k].of(number)) + say(" is float32 with one entry per neuron,", group.n));
  }
  for (int64_t k = 0; k < part.n_params; ++k) {
    N4_TRY(buffers->read(part.params[k].of(number), &out->params[static_cast<size_t>(k)]));
    N4_TRY(check_param(out->params[static_cast<size_t>(k)], group));
  }
  return ffi::Error::Success();
}

ffi::Error read_clock(CallBuffers* buffers, RunCall* call) {
  N4_TRY(buffers->read(N4_NAME("count"), &call->count));
  N4_TRY(buffers->read(N4_NAME("step"), &call->step));
  N4_TRY(buffers->read(N4_NAME("start"), &call->start));
  N4_TRY(buffers->read(N4_NAME("key"), &call->key));
  if (!has(call->count, D::S32, 0)) return bad("expected an int32 scalar as number of steps");
  if (!has(call->step, D::U32, 0) || !has(call->start, D::U32, 0)) return bad("expected uint32 scalars as step and start");
  if (!has(call->key, D::U32, 1) || call->key.dims[0] != 2) return bad("expected two uint32 words as key");
  return ffi::Error::Success();
}

ffi::Error read_rings(CallBuffers* buffers, int64_t rings, size_t n_groups, RunCall* call) {
  if (rings < static_cast<int64_t>(n_groups)) return bad("every group needs a ring of its own");
  call->rings.resize(static_cast<size_t>(rings));
  for (size_t r = 0; r < call->rings.size(); ++r) {
    const int64_t number = static_cast<int64_t>(r);
    N4_TRY(buffers->carry(N4_NAMES("ring.ids", number), r < n_groups, &call->rings[r].ids));
    N4_TRY(buffers->carry(N4_NAMES("ring.count", number), r < n_groups, &call->rings[r].count));
    N4_TRY(check(call->rings[r]));
  }
  return ffi::Error::Success();
}

ffi::Error read_ports(CallBuffers* buffers, const RunSpec& spec, int64_t n_ports, Cursors* at, GroupOperands* group) {
  if (n_ports < 0 || n_ports > kMostPorts) return bad(say("at most", kMostPorts) + say(" ports in a group; got", n_ports));
  for (int64_t p = 0; p < n_ports; ++p, ++at->ports) {
    if (at->ports >= spec.ports.size()) return bad("a port is missing");
    PartOperands port;
    port.kind = spec.ports[at->ports];
    if (port.kind < 0 || port.kind >= manifest().n_receptors) return bad(say("unknown receptor", port.kind));
    if (manifest().receptors[port.kind].sees_v && manifest().cells[group->cell.kind].v_at < 0) {
      return bad(std::string("receptor ") + manifest().receptors[port.kind].name + " needs a cell with a potential");
    }
    N4_TRY(read_part(buffers, manifest().receptors[port.kind], static_cast<int64_t>(at->ports), *group, &port));
    group->with_g = group->with_g || manifest().receptors[port.kind].gives_g;
    group->with_jump = group->with_jump || manifest().receptors[port.kind].gives_jump;
    group->ports.push_back(std::move(port));
  }
  return ffi::Error::Success();
}

ffi::Error check_runs(const PoissonOperands& x, const GroupOperands& group, const BatchShape& batch) {
  const int64_t segments = x.weight.dims[0];
  bool mapped = false;
  for (int64_t i = 0; i < batch.n; ++i) mapped = mapped || x.runs.step[i] != 0;
  for (int64_t b = 0; b < (mapped ? batch.total : 1); ++b) {
    const PoissonRun* runs = x.runs.at<PoissonRun>(batch, b);
    for (int64_t r = 0; r < x.runs.dims[0]; ++r) {
      const int64_t last = runs[r].segment + static_cast<int64_t>(runs[r].stride) * (runs[r].size - 1);
      const int64_t end = static_cast<int64_t>(runs[r].first) + runs[r].size;
      if (runs[r].first < 0 || runs[r].size < 0 || end > group.n || runs[r].segment < 0 || runs[r].stride < 0 || last >= segments) {
        return bad(say("run", r) + " of Poisson input lies outside the group or its segments");
      }
    }
  }
  return ffi::Error::Success();
}

ffi::Error read_poisson(CallBuffers* buffers, const RunSpec& spec, int64_t n, const BatchShape& batch, Cursors* at, GroupOperands* group) {
  for (int64_t k = 0; k < n; ++k, ++at->poisson) {
    if (3 * at->poisson + 2 >= spec.poisson.size()) return bad("a Poisson input is missing");
    PoissonOperands x;
    x.port = spec.poisson[3 * at->poisson];
    x.each = spec.poisson[3 * at->poisson + 1] != 0;
    x.hold = spec.poisson[3 * at->poisson + 2];
    if (x.port < 0 || x.port >= static_cast<int64_t>(group->ports.size())) return bad(say("no port", x.port));
    const int64_t number = static_cast<int64_t>(at->poisson);
    N4_TRY(buffers->read(N4_NAMES("poisson.runs", number), &x.runs));
    N4_TRY(buffers->read(N4_NAMES("poisson.thresholds", number), &x.thresholds));
    N4_TRY(buffers->read(N4_NAMES("poisson.weight", number), &x.weight));
    N4_TRY(buffers->read(N4_NAMES("poisson.a0", number), &x.a0));
    N4_TRY(buffers->read(N4_NAMES("poisson.b0", number), &x.b0));
    if (!has(x.runs, D::S32, 2) || x.runs.dims[1] != 4) return bad("expected runs int32 (n_runs, 4)");
    if (!has(x.thresholds, D::U32, x.hold == 0 ? 2 : 3) || !has(x.weight, D::F32, 1) || !has(x.a0, D::U32, 1) || !has(x.b0, D::U32, 1)) {
      return bad("expected thresholds uint32 (rows?, segments, length), weight float32 and addresses uint32 (segments,)");
    }
    const int64_t segments = x.weight.dims[0], *sizes = x.thresholds.dims + (x.hold == 0 ? 0 : 1);
    if (sizes[x.each ? 1 : 0] != segments || x.a0.dims[0] != segments || x.b0.dims[0] != segments) {
      return bad("thresholds, weights and addresses must agree in segments");
    }
    if (x.hold < 0 || sizes[x.each ? 0 : 1] > kMostThresholds) return bad(say("at most", kMostThresholds) + " thresholds, and a hold of at least one step");
    N4_TRY(check_runs(x, *group, batch));
    group->poisson.push_back(x);
  }
  return ffi::Error::Success();
}

ffi::Error read_noise(CallBuffers* buffers, const int64_t* numbers, int64_t number, const GroupOperands& group, ExtraOperands* x) {
  x->first = numbers[1];
  x->size = numbers[2];
  if (x->first < 0 || x->size < 0 || x->first + x->size > group.n) return bad("noise reaches beyond the group");
  N4_TRY(buffers->read(N4_NAMES("extra.value", number), &x->value));
  N4_TRY(buffers->read(N4_NAMES("extra.std", number), &x->std));
  N4_TRY(buffers->read(N4_NAMES("extra.address", number), &x->address));
  if (!has(x->address, D::U32, 1) || x->address.dims[0] != 2) return bad("expected two uint32 words as address of noise");
  std::vector<const Operand*> numbers_of{&x->value, &x->std};
  if (x->kind == ExtraKind::kColoredNoise) {
    N4_TRY(buffers->carry(N4_NAMES("extra.memory", number), true, &x->memory));
    N4_TRY(buffers->read(N4_NAMES("extra.decay", number), &x->decay));
    if (!has(x->memory, D::F32, 1) || x->memory.dims[0] != x->size) return bad("the memory of noise is float32, one number per neuron");
    numbers_of.push_back(&x->decay);
  }
  for (const Operand* y : numbers_of) {
    if (y->dtype != D::F32 || y->rank > 1 || (y->rank == 1 && y->dims[0] != 1 && y->dims[0] != x->size)) {
      return bad("mean, standard deviation and decay of noise are float32, one value or one per neuron");
    }
  }
  return ffi::Error::Success();
}

ffi::Error read_extras(CallBuffers* buffers, const RunSpec& spec, int64_t n, int64_t length, Cursors* at, GroupOperands* group) {
  for (int64_t k = 0; k < n; ++k, ++at->extras) {
    if (3 * at->extras + 2 >= spec.extras.size()) return bad("an extra is missing");
    const int64_t kind = spec.extras[3 * at->extras];
    if (kind < 0 || kind >= kNExtraKinds) return bad(say("unknown kind of extra", kind));
    ExtraOperands x;
    x.kind = static_cast<ExtraKind>(kind);
    if (is_noise(x.kind)) {
      N4_TRY(read_noise(buffers, spec.extras.begin() + 3 * at->extras, static_cast<int64_t>(at->extras), *group, &x));
      group->noisy = true;
      group->extras.push_back(x);
      continue;
    }
    x.port = spec.extras[3 * at->extras + 1];
    x.changes = spec.extras[3 * at->extras + 2] != 0;
    if (x.kind == ExtraKind::kArrival && (x.port < 0 || x.port >= static_cast<int64_t>(group->ports.size()))) return bad(say("no port", x.port));
    N4_TRY(buffers->read(N4_NAMES("extra.value", static_cast<int64_t>(at->extras)), &x.value));
    const int64_t steps = x.changes ? 1 : 0, rank = x.value.rank - steps;
    if (x.value.dtype != D::F32 || rank < 0 || rank > 1 || (rank == 1 && x.value.dims[steps] != 1 && x.value.dims[steps] != group->n)) {
      return bad("what a stimulus adds is float32, one value or one per neuron, with an axis of steps in front if it changes");
    }
    if (x.changes && x.value.dims[0] < length) return bad(say("a stimulus that changes needs a row for each of", length) + " steps");
    group->with_g = group->with_g || x.kind == ExtraKind::kConductance;
    group->with_jump = group->with_jump || x.kind == ExtraKind::kJump;
    group->extras.push_back(x);
  }
  return ffi::Error::Success();
}

ffi::Error read_group(CallBuffers* buffers, const RunSpec& spec, size_t g, Cursors* at, RunCall* call) {
  const int64_t* numbers = spec.groups.begin() + 6 * g;
  const int64_t number = static_cast<int64_t>(g);
  GroupOperands& group = call->groups[g];
  group.cell.kind = numbers[0];
  group.width = numbers[1];
  group.mortal = numbers[5] != 0;
  group.n = call->rings[g].ids.dims[1];
  if (group.cell.kind < 0 || group.cell.kind >= manifest().n_cells) return bad(say("unknown cell", group.cell.kind));
  if (group.width < 1) return bad(say("the width of a block is at least 1; got", group.width));
  group.n_blocks = (group.n + group.width - 1) / group.width;
  if (group.n_blocks > 1 && group.width % 32 != 0) return bad("the width of several blocks is a multiple of 32");
  N4_TRY(buffers->read(N4_NAMES("group.bounds", number), &group.bounds));
  if (!has(group.bounds, D::S32, 1) || group.bounds.dims[0] < 2) return bad("expected bounds int32 (n_spans + 1,)");
  group.n_spans = group.bounds.dims[0] - 1;
  if (group.mortal) {
    N4_TRY(buffers->read(N4_NAMES("group.alive", number), &group.alive));
    if (!has(group.alive, D::U32, 1) || group.alive.dims[0] != group.n_words()) return bad("expected alive uint32 (n_words,)");
  }
  if (manifest().cells[group.cell.kind].random) {
    N4_TRY(buffers->read(N4_NAMES("group.addresses", number), &group.addresses));
    if (!has(group.addresses, D::U32, 2) || group.addresses.dims[0] != group.n_spans || group.addresses.dims[1] != 2) {
      return bad("expected addresses uint32 (n_spans, 2)");
    }
  }
  N4_TRY(read_part(buffers, manifest().cells[group.cell.kind], number, group, &group.cell));
  N4_TRY(read_ports(buffers, spec, numbers[2], at, &group));
  N4_TRY(read_poisson(buffers, spec, numbers[3], call->batch, at, &group));
  return read_extras(buffers, spec, numbers[4], call->length, at, &group);
}

ffi::Error read_paths(CallBuffers* buffers, const RunSpec& spec, RunCall* call) {
  constexpr size_t kNumbers = 7;
  if (spec.paths.size() % kNumbers != 0) return bad("seven numbers per pathway expected");
  for (size_t k = 0; k < spec.paths.size() / kNumbers; ++k) {
    const int64_t* const numbers = spec.paths.begin() + kNumbers * k;
    if (numbers[0] < 0 || numbers[0] >= static_cast<int64_t>(call->groups.size())) return bad(say("no group", numbers[0]));
    GroupOperands& group = call->groups[static_cast<size_t>(numbers[0])];
    PathOperands path;
    path.ring = numbers[1];
    path.early = numbers[3] != 0;
    path.learn.rule = numbers[4];
    path.learn.nearest_pre = numbers[5];
    path.learn.nearest_post = numbers[6];
    if (path.ring < 0 || path.ring >= static_cast<int64_t>(call->rings.size())) return bad(say("no ring", path.ring));
    if (call->length > 1 && path.ring >= static_cast<int64_t>(call->groups.size())) {
      return bad("several steps at a time need groups that hear only each other");
    }
    const int64_t number = static_cast<int64_t>(k);
    N4_TRY(read_synapses(buffers, number, numbers[2], path.learn.learns(), &path.synapses));
    N4_TRY(check(path.synapses, group.n_blocks));
    N4_TRY(choose(path.synapses, D::F32, spec.isa, &path.run));
    if (path.learn.learns()) N4_TRY(read_learning(buffers, number, group.n, &path.synapses, &path.learn));
    group.paths.push_back(std::move(path));
  }
  return ffi::Error::Success();
}

ffi::Error take_results(CallBuffers* buffers, RunCall* call) {
  const size_t elements = static_cast<size_t>(call->batch.total);
  for (size_t g = 0; g < call->groups.size(); ++g) {
    GroupOperands& group = call->groups[g];
    const int64_t number = static_cast<int64_t>(g);
    N4_TRY(buffers->make(N4_NAMES("words", number), elements * static_cast<size_t>(call->length * group.n_words()) * 4, &group.words));
    bool late = !group.poisson.empty(), early = false;
    for (const ExtraOperands& extra : group.extras) late = late || extra.kind == ExtraKind::kArrival;
    for (const PathOperands& path : group.paths) (path.early ? early : late) = true;
    const size_t sums = elements * static_cast<size_t>(group.n_blocks * group.block_size()) * 4;
    if (late) N4_TRY(buffers->make(N4_NAMES("late", number), sums, &group.late));
    if (early) N4_TRY(buffers->make(N4_NAMES("early", number), sums, &group.early));
  }
  return buffers->finish();
}

}  // namespace

ffi::Error decode(ffi::RemainingArgs args, ffi::RemainingRets rets, const RunSpec& spec, RunCall* call) {
  if (!decode(spec.attributes.batch, &call->batch)) return bad("more batch axes than served");
  if (spec.groups.size() == 0 || spec.groups.size() % 6 != 0) return bad("six numbers per group expected");
  if (spec.length < 1) return bad(say("a call has room for at least one step; got", spec.length));
  CallBuffers buffers(args, rets, spec.attributes, call->batch);
  call->length = spec.length;
  call->isa = spec.isa;
  call->groups.resize(spec.groups.size() / 6);
  N4_TRY(read_clock(&buffers, call));
  N4_TRY(read_rings(&buffers, spec.rings, call->groups.size(), call));
  Cursors at;
  for (size_t g = 0; g < call->groups.size(); ++g) N4_TRY(read_group(&buffers, spec, g, &at, call));
  if (at.ports != spec.ports.size() || 3 * at.poisson != spec.poisson.size() || 3 * at.extras != spec.extras.size()) {
    return bad("more ports, Poisson inputs or extras than the groups have");
  }
  N4_TRY(read_paths(&buffers, spec, call));
  return take_results(&buffers, call);
}

}  // namespace neuro4d
