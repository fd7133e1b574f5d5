#include "collect.h"

#include <atomic>
#include <cstring>
#include <vector>

#include "cost.h"
#include "cpu.h"
#include "delivery.h"
#include "float_mode.h"
#include "parallel.h"

namespace neuro4d {

namespace {

// So many words of 32 sources are one item of work. Each source belongs to one item, whatever the number of threads, so that no sum
// depends on it and no addition needs to be atomic.
constexpr int64_t kWords = 8;

// One element of a batch.
struct Back {
  const int32_t* delays;
  const uint32_t* start;
  const uint32_t* bounds;
  const uint32_t* fired;  // (n_delays, words)
  const uint32_t* near;   // the same, or none
  const char* targets;
  const char* weight;
  const char* acc;   // (n_blocks, block_size): slopes of the sums
  char* soft;        // (depth, n): slopes of the spikes, to be added to
  char* weight_bar;  // of the shape of the weights, or none
  int64_t n_delays, words, n_source, n_blocks, block_size, depth, n_ids;
  uint64_t n_edges;
  uint32_t step;
  WeightKind kind;
};

// The synapses of the sources of one item. Returns false where an index is out of range; what is wrong is not written.
template <typename T, typename Index>
bool collect(const Back& x, int64_t item, T* sum_of_all) {
  const Index* const targets = reinterpret_cast<const Index*>(x.targets);
  const T* const weight = reinterpret_cast<const T*>(x.weight);
  const T* const acc = reinterpret_cast<const T*>(x.acc);
  T* const soft = reinterpret_cast<T*>(x.soft);
  T* const weight_bar = reinterpret_cast<T*>(x.weight_bar);
  const bool edge = x.kind == WeightKind::kEdge;
  const int64_t last = (item + 1) * kWords < x.words ? (item + 1) * kWords : x.words;
  bool right = true;
  T total = 0;
  for (int64_t d = 0; d < x.n_delays; ++d) {
    const int64_t row = (x.step - static_cast<uint32_t>(x.delays[d])) & static_cast<uint32_t>(x.depth - 1);
    for (int64_t w = item * kWords; w < last; ++w) {
      const uint32_t fired = weight_bar == nullptr ? 0 : x.fired[d * x.words + w];
      const uint32_t near = x.near == nullptr ? 0 : x.near[d * x.words + w];
      for (uint32_t both = fired | near; both != 0; both &= both - 1) {
        const int bit = lowest_bit(both);
        const int64_t source = 32 * w + bit;
        if (source >= x.n_source || source >= x.n_ids) continue;
        const bool of_weight = fired >> bit & 1u, of_spike = near >> bit & 1u;
        const uint64_t begin = x.start[2 * source] | static_cast<uint64_t>(x.start[2 * source + 1]) << 32;
        const uint32_t* const bounds = x.bounds + source * (x.n_delays * x.n_blocks + 1) + d * x.n_blocks;
        T weighted = 0, plain = 0;
        for (int64_t b = 0; b < x.n_blocks; ++b) {
          const uint64_t low = begin + bounds[b], high = begin + bounds[b + 1];
          if (low > high || high > x.n_edges) {
            right = false;
            continue;
          }
          const T* const block = acc + b * x.block_size;
          for (uint64_t e = low; e < high; ++e) {
            if (static_cast<int64_t>(targets[e]) >= x.block_size) {
              right = false;
              continue;
            }
            const T slope = block[targets[e]];
            if (edge) {
              if (of_spike) weighted += weight[e] * slope;
              if (of_weight) weight_bar[e] = slope;
            } else {
              plain += slope;
            }
          }
        }
        if (!edge) {
          weighted = weight[x.kind == WeightKind::kOne ? 0 : source] * plain;
          if (of_weight && x.kind == WeightKind::kSource) weight_bar[source] += plain;
          if (of_weight) total += plain;
        }
        if (of_spike) soft[row * x.n_ids + source] += weighted;
      }
    }
  }
  *sum_of_all = total;
  return right;
}

struct Call {
  BatchShape batch;
  Operand step, acc, soft, fired, near;
  Synapses synapses;
  char* weight_bar = nullptr;
  int64_t n_weights = 0;  // slopes of weights that are asked for
};

ffi::Error check(const Call& c) {
  using D = ffi::DataType;
  const D type = c.acc.dtype;
  const Synapses& s = c.synapses;
  if (!has(c.step, D::U32, 0)) return bad("expected a uint32 scalar as step");
  if (c.acc.rank != 2 || (type != D::F32 && type != D::F64)) return bad("expected slopes float32 or float64 (n_blocks, n_ports * width)");
  if (c.soft.rank != 2 || c.soft.dtype != type || s.weight.dtype != type) return bad("expected slopes of spikes and weights of the type of the sums");
  N4_TRY(neuro4d::check(s, c.acc.dims[0]));
  if (s.targets.dtype != D::U16 && s.targets.dtype != D::U32) return bad("targets are uint16 or uint32");
  const int64_t depth = c.soft.dims[0], n_delays = s.delays.dims[0];
  if (depth < 1 || (depth & (depth - 1)) != 0) return bad(say("the depth of a ring is a power of two; got", depth));
  for (const Operand* bits : {&c.fired, &c.near}) {
    if (!has(*bits, D::U32, 2) || bits->dims[0] != n_delays) return bad("expected a row of bits for each delay");
  }
  if (32 * c.fired.dims[1] < s.start.dims[0]) return bad("expected a bit for each source");
  if (c.near.dims[1] != 0 && (c.near.dims[1] != c.fired.dims[1] || c.soft.dims[1] < s.start.dims[0])) {
    return bad("expected as many bits for slopes as for spikes, and a slope for each source");
  }
  return ffi::Error::Success();
}

Back describe(const Call& c, int64_t b) {
  Back x{};
  const Synapses& s = c.synapses;
  x.delays = s.delays.at<int32_t>(c.batch, b);
  x.start = s.start.at<uint32_t>(c.batch, b);
  x.bounds = s.bounds.at<uint32_t>(c.batch, b);
  x.fired = c.fired.at<uint32_t>(c.batch, b);
  if (c.near.dims[1] != 0) x.near = c.near.at<uint32_t>(c.batch, b);
  x.targets = s.targets.at<char>(c.batch, b);
  x.weight = s.weight.at<char>(c.batch, b);
  x.acc = c.acc.at<char>(c.batch, b);
  x.soft = const_cast<char*>(c.soft.at<char>(c.batch, b));
  x.n_delays = s.delays.dims[0];
  x.words = c.fired.dims[1];
  x.n_source = s.start.dims[0];
  x.n_blocks = c.acc.dims[0];
  x.block_size = c.acc.dims[1];
  x.depth = c.soft.dims[0];
  x.n_ids = x.near == nullptr ? x.n_source : c.soft.dims[1];
  x.n_edges = static_cast<uint64_t>(s.targets.dims[0]);
  x.step = *c.step.at<uint32_t>(c.batch, b);
  x.kind = s.kind;
  return x;
}

template <typename T, typename Index>
ffi::Error run(ffi::ThreadPool& pool, const Call& c) {
  const int64_t items = (c.fired.dims[1] + kWords - 1) / kWords;
  const FloatMode mode = float_mode();
  std::vector<T> sums(static_cast<size_t>(items));
  std::atomic<bool> wrong{false};
  if (c.n_weights > 0) std::memset(c.weight_bar, 0, static_cast<size_t>(c.batch.total * c.n_weights) * sizeof(T));
  for (int64_t b = 0; b < c.batch.total; ++b) {
    Back x = describe(c, b);
    if (c.n_weights > 0) x.weight_bar = c.weight_bar + static_cast<size_t>(b * c.n_weights) * sizeof(T);
    int64_t marked = 0;
    for (int64_t k = 0; k < x.n_delays * x.words; ++k) {
      for (uint32_t both = x.fired[k] | (x.near == nullptr ? 0 : x.near[k]); both != 0; both &= both - 1) ++marked;
    }
    const double cells = static_cast<double>(x.n_source) * static_cast<double>(x.n_delays);
    const double events = cells > 0 ? static_cast<double>(x.n_edges) / cells : 0;
    const double expected = static_cast<double>(marked) * (cost::kRow * static_cast<double>(x.n_blocks) + 2 * cost::kEvent * events);
    auto one = [&](int64_t item) {
      const ScopedFloatMode same_as_caller(mode);
      if (!collect<T, Index>(x, item, &sums[static_cast<size_t>(item)])) wrong = true;
    };
    parallel_for(pool, items, worth_sharing(expected) ? pool.num_threads() : 1, one);
    if (x.weight_bar != nullptr && x.kind == WeightKind::kOne) {
      T total = 0;
      for (const T sum : sums) total += sum;
      *reinterpret_cast<T*>(x.weight_bar) = total;
    }
  }
  return wrong.load() ? bad("a row of synapses or a target lies out of range") : ffi::Error::Success();
}

ffi::Error collect_call(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Span<const int64_t> names,
                        ffi::Span<const int64_t> results, ffi::Span<const int64_t> batch, ffi::Span<const int64_t> mapped, int64_t weight_kind,
                        int64_t weights) {
  Call call;
  if (!decode(batch, &call.batch)) return bad(say("more batch axes than served:", static_cast<int64_t>(batch.size())));
  CallBuffers buffers(args, rets, {names, results, batch, mapped}, call.batch);
  N4_TRY(buffers.read(N4_NAME("step"), &call.step));
  N4_TRY(buffers.read(N4_NAME("acc"), &call.acc));
  N4_TRY(buffers.carry(N4_NAME("ring.soft"), true, &call.soft));
  N4_TRY(buffers.read(N4_NAME("fired"), &call.fired));
  N4_TRY(buffers.read(N4_NAME("near"), &call.near));
  N4_TRY(read_synapses(&buffers, -1, weight_kind, false, &call.synapses));
  N4_TRY(check(call));
  const bool single = call.acc.dtype == ffi::DataType::F32, narrow = call.synapses.targets.dtype == ffi::DataType::U16;
  if (weights != 0) call.n_weights = call.synapses.kind == WeightKind::kOne ? 1 : call.synapses.weight.dims[0];
  N4_TRY(buffers.make(N4_NAME("slopes"), static_cast<size_t>(call.batch.total * call.n_weights) * (single ? 4 : 8), &call.weight_bar));
  N4_TRY(buffers.finish());
  if (single) return narrow ? run<float, uint16_t>(pool, call) : run<float, uint32_t>(pool, call);
  return narrow ? run<double, uint16_t>(pool, call) : run<double, uint32_t>(pool, call);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_collect, collect_call,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("names")
                                  .Attr<ffi::Span<const int64_t>>("results")
                                  .Attr<ffi::Span<const int64_t>>("batch")
                                  .Attr<ffi::Span<const int64_t>>("mapped")
                                  .Attr<int64_t>("weight_kind")
                                  .Attr<int64_t>("weights"));

}  // namespace neuro4d
