#include "lif.h"

#include <atomic>
#include <cstring>
#include <vector>

#include "cpu.h"
#include "float_mode.h"
#include "lif_call.h"
#include "parallel.h"

namespace neuro4d {

namespace {

Param param(const Operand& x, const LifCall& call, int64_t b) {
  Param out;
  out.data = x.at<float>(call.levels, b);
  const int64_t size = x.rank == 0 ? 1 : x.dims[0];
  out.mode = size == 1 ? Param::kAll : size == call.n_spans ? Param::kSpan : Param::kNeuron;
  return out;
}

template <typename T>
T* own(const Operand& x, const LifCall& call, int64_t b) {
  return const_cast<T*>(x.at<T>(call.levels, b));
}

// Everything about one element of the batch, in memory that the block functions can read.
struct Element {
  LifStep step;
  std::vector<LifPort> ports;
  std::vector<PoissonInput> poisson;
  std::vector<Extra> extras;
  std::vector<Delivery> deliveries;
  double expected = 0;
};

void describe_neurons(const LifCall& call, int64_t b, LifStep* x) {
  x->n = call.n;
  x->width = call.width;
  x->n_blocks = call.n_blocks;
  x->v = own<float>(call.v, call, b);
  x->left = own<int32_t>(call.left, call, b);
  x->words = reinterpret_cast<uint32_t*>(call.words) + b * call.n_words();
  LifConstants& c = x->constants;
  Param* const params[7] = {&c.decay, &c.gain, &c.rate, &c.g_leak, &c.v_rest, &c.v_th, &c.v_reset};
  for (int k = 0; k < 7; ++k) *params[k] = param(call.constants[k], call, b);
  c.hold = call.hold.at<int32_t>(call.levels, b);
  c.hold_mode = param(call.hold, call, b).mode;
  x->bounds = call.bounds.at<int32_t>(call.levels, b);
  x->n_spans = call.n_spans;
  const uint32_t* key = call.key.at<uint32_t>(call.levels, b);
  x->key[0] = key[0];
  x->key[1] = key[1];
  x->elapsed = *call.step.at<uint32_t>(call.levels, b) - *call.start.at<uint32_t>(call.levels, b);
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
      p.state = own<float>(port.state, call, b);
      p.decay = param(port.decay, call, b);
      p.held = param(port.held, call, b);
    }
    if (port.kind == PortKind::kConductance) p.e_rev = param(port.e_rev, call, b);
    e->ports.push_back(p);
  }
  for (const LifPoisson& input : call.poisson) {
    PoissonInput p;
    p.port = input.port;
    p.runs = input.runs.at<PoissonRun>(call.levels, b);
    p.n_runs = input.runs.dims[0];
    p.thresholds = input.thresholds.at<uint32_t>(call.levels, b);
    p.length = input.thresholds.dims[1];
    p.n_segments = input.weight.dims[0];
    p.weight = input.weight.at<float>(call.levels, b);
    p.a0 = input.a0.at<uint32_t>(call.levels, b);
    p.b0 = input.b0.at<uint32_t>(call.levels, b);
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

ffi::Error describe_element(const LifCall& call, int64_t b, Element* e) {
  describe_neurons(call, b, &e->step);
  describe_inputs(call, b, e);
  for (const LifPath& path : call.paths) {
    Delivery x = describe(path.synapses, call.rings[static_cast<size_t>(path.ring)], call.levels, b);
    x.step = *call.step.at<uint32_t>(call.levels, b);
    x.acc = path.early ? e->step.early : e->step.late;
    x.block_size = call.block_size();
    if (ffi::Error error = count_spikes(&x); error.failure()) return error;
    e->expected += expected_nanoseconds(x);
    e->deliveries.push_back(x);
  }
  const double per_neuron = 0.6 + 0.2 * static_cast<double>(call.ports.size()) + 1.0 * static_cast<double>(call.poisson.size());
  e->expected += per_neuron * static_cast<double>(call.n);
  return ffi::Error::Success();
}

LifBlock block_function(int64_t wanted) {
#if defined(N4_X86_VARIANTS)
  switch (usable_isa(wanted)) {
    case Isa::kAvx512:
      return lif_block_avx512;
    case Isa::kAvx2:
      return lif_block_avx2;
    default:
      break;
  }
#else
  (void)wanted;
#endif
  return lif_block_baseline;
}

// Delivers into the sums of a block and steps its neurons while they are in cache.
class StepBlocks {
 public:
  StepBlocks(const LifCall& call, const std::vector<Element>& elements, int64_t isa)
      : call_(call), elements_(elements), run_(block_function(isa)), mode_(float_mode()) {}

  void operator()(int64_t item) {
    const Element& e = elements_[static_cast<size_t>(item / call_.n_blocks)];
    const int64_t block = item % call_.n_blocks;
    const ScopedFloatMode same_as_caller(mode_);
    const size_t bytes = static_cast<size_t>(call_.block_size()) * sizeof(float);
    const int64_t row = block * call_.block_size();
    if (e.step.late != nullptr) std::memset(e.step.late + row, 0, bytes);
    if (e.step.early != nullptr) std::memset(e.step.early + row, 0, bytes);
    for (size_t k = 0; k < e.deliveries.size(); ++k) {
      if (e.deliveries[k].n_spikes == 0) continue;
      const Failure failure = call_.paths[k].run(e.deliveries[k], block);
      if (failure.wrong != Wrong::kNothing && !failed_.exchange(true)) {
        failure_ = failure;
        failed_in_ = &e.deliveries[k];
      }
    }
    run_(e.step, block);
  }

  // To be asked after all items are done.
  ffi::Error outcome() const { return failed_.load() ? explain(*failed_in_, failure_) : ffi::Error::Success(); }

 private:
  const LifCall& call_;
  const std::vector<Element>& elements_;
  const LifBlock run_;
  const FloatMode mode_;
  std::atomic<bool> failed_{false};
  Failure failure_;
  const Delivery* failed_in_ = nullptr;
};

// Writes the sorted ids of the neurons that fired into the row of this step.
class Remember {
 public:
  Remember(const LifCall& call, const std::vector<Element>& elements) : call_(call), elements_(elements) {}

  void operator()(int64_t b) {
    const Ring& ring = call_.rings[0];
    const int64_t depth = ring.ids.dims[0];
    const int64_t row = *call_.step.at<uint32_t>(call_.levels, b) & static_cast<uint32_t>(depth - 1);
    int32_t* const first = own<int32_t>(ring.ids, call_, b) + row * call_.n;
    int32_t* out = first;
    const uint32_t* words = elements_[static_cast<size_t>(b)].step.words;
    for (int64_t k = 0; k < call_.n_words(); ++k) {
      for (uint32_t word = words[k]; word != 0; word &= word - 1) {
        *out++ = static_cast<int32_t>(32 * k) + lowest_bit(word);
      }
    }
    own<int32_t>(ring.count, call_, b)[row] = static_cast<int32_t>(out - first);
  }

 private:
  const LifCall& call_;
  const std::vector<Element>& elements_;
};

ffi::Error lif_step(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                    ffi::Span<const int64_t> levels, ffi::Span<const int64_t> mapped, ffi::Span<const int64_t> ports,
                    ffi::Span<const int64_t> paths, ffi::Span<const int64_t> poisson, ffi::Span<const int64_t> extras,
                    int64_t rings, int64_t width, int64_t isa) {
  LifCall call;
  const LifPlan plan{levels, mapped, ports, paths, poisson, extras, rings, width, isa};
  if (ffi::Error error = decode(args, rets, plan, &call); error.failure()) return error;
  const int64_t batch = call.levels.batch;
  std::vector<Element> elements(static_cast<size_t>(batch));
  double expected = 0;
  for (int64_t b = 0; b < batch; ++b) {
    Element& e = elements[static_cast<size_t>(b)];
    if (ffi::Error error = describe_element(call, b, &e); error.failure()) return error;
    expected += e.expected;
  }
  const int64_t threads = worth_sharing(expected) ? pool.num_threads() : 1;
  StepBlocks blocks(call, elements, isa);
  parallel_for(pool, batch * call.n_blocks, threads, blocks);
  Remember remember(call, elements);
  parallel_for(pool, batch, batch * call.n > 100000 ? threads : 1, remember);
  return blocks.outcome();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_lif_step, lif_step,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("levels")
                                  .Attr<ffi::Span<const int64_t>>("mapped")
                                  .Attr<ffi::Span<const int64_t>>("ports")
                                  .Attr<ffi::Span<const int64_t>>("paths")
                                  .Attr<ffi::Span<const int64_t>>("poisson")
                                  .Attr<ffi::Span<const int64_t>>("extras")
                                  .Attr<int64_t>("rings")
                                  .Attr<int64_t>("width")
                                  .Attr<int64_t>("isa"));

}  // namespace neuro4d
