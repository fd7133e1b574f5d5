#include "deliver.h"

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "cpu.h"
#include "float_mode.h"
#include "operands.h"
#include "parallel.h"

namespace neuro4d {

namespace {

enum Index { kStep, kDelays, kIds, kCount, kStart, kOffset, kTargets, kWeight, kAcc, kOperands };

// Below this much work one thread is done before a second one has woken up.
constexpr double kParallelNanoseconds = 12e3;
constexpr double kNanosecondsPerRow = 6.0;
constexpr double kNanosecondsPerEvent = 0.8;

struct Call {
  Operand in[kOperands];
  WeightKind kind = WeightKind::kOne;
  Storage storage = Storage::kF32;
  DeliverBlock run = nullptr;
  Levels levels;
};

std::string say(const char* what, int64_t value) { return std::string(what) + " " + std::to_string(value); }

ffi::Error bad(const std::string& text) { return ffi::Error::InvalidArgument("n4_deliver: " + text); }

ffi::Error check_shapes(const Call& call) {
  const Operand* in = call.in;
  using D = ffi::DataType;
  if (!has(in[kStep], D::U32, 0)) return bad("expected a uint32 scalar as step");
  if (!has(in[kDelays], D::S32, 1)) return bad("expected delays int32 (D,)");
  if (!has(in[kIds], D::S32, 2)) return bad("expected ring ids int32 (depth, n)");
  if (!has(in[kCount], D::S32, 1)) return bad("expected ring count int32 (depth,)");
  if (!has(in[kStart], D::U32, 3)) return bad("expected start uint32 (n_blocks, n_source, 2)");
  if (!has(in[kOffset], D::U32, 3)) return bad("expected offset uint32 (n_blocks, n_source, D + 1)");
  if (in[kTargets].rank != 1) return bad("expected targets (n_edges,)");
  if (in[kAcc].rank != 2) return bad("expected accumulators (n_blocks, n_ports * width)");
  const int64_t depth = in[kIds].dims[0];
  if (depth < 1 || (depth & (depth - 1)) != 0) return bad(say("the depth of a ring is a power of two; got", depth));
  if (in[kCount].dims[0] != depth) return bad(say("ring count has another depth than ring ids:", in[kCount].dims[0]));
  const int64_t blocks = in[kAcc].dims[0];
  if (in[kStart].dims[0] != blocks || in[kOffset].dims[0] != blocks) {
    return bad(say("start, offset and accumulators must agree in blocks; accumulators have", blocks));
  }
  if (in[kStart].dims[1] != in[kOffset].dims[1]) return bad("start and offset must agree in sources");
  if (in[kStart].dims[2] != 2) return bad(say("start holds two words per row; got", in[kStart].dims[2]));
  if (in[kOffset].dims[2] != in[kDelays].dims[0] + 1) {
    return bad(say("offset needs D + 1 bounds per row; got", in[kOffset].dims[2]));
  }
  return ffi::Error::Success();
}

ffi::Error check_weight(const Call& call) {
  const Operand& w = call.in[kWeight];
  if (call.kind == WeightKind::kOne) {
    if (w.rank != 0) return bad(say("one weight for all is a scalar; got rank", w.rank));
    return ffi::Error::Success();
  }
  if (w.rank != 1) return bad(say("weights have one axis; got rank", w.rank));
  const bool edge = call.kind == WeightKind::kEdge;
  const int64_t expected = edge ? call.in[kTargets].dims[0] : call.in[kStart].dims[1];
  if (w.dims[0] != expected) {
    return bad(say(edge ? "one weight per edge expected," : "one weight per source expected,", expected) +
               say(" values; got", w.dims[0]));
  }
  return ffi::Error::Success();
}

ffi::Error choose_kernel(Call* call, int64_t isa) {
  const auto targets = call->in[kTargets].dtype;
  const auto sums = call->in[kAcc].dtype;
  if (targets != ffi::DataType::U16 && targets != ffi::DataType::U32) return bad("targets are uint16 or uint32");
  if (sums != ffi::DataType::F32 && sums != ffi::DataType::F64) return bad("accumulators are float32 or float64");
  if (!storage_of(call->in[kWeight].dtype, &call->storage)) return bad("weights are float32, float64, float16 or bfloat16");
  call->run = deliver_table(isa).at[targets == ffi::DataType::U32][sums == ffi::DataType::F64]
                                   [static_cast<int>(call->storage)][static_cast<int>(call->kind)];
  if (call->run == nullptr) return bad("float64 weights need float64 accumulators");
  return ffi::Error::Success();
}

Delivery describe(const Call& call, int64_t b) {
  const Operand* in = call.in;
  Delivery x{};
  const Levels& levels = call.levels;
  x.step = *in[kStep].at<uint32_t>(levels, b);
  x.delays = in[kDelays].at<int32_t>(levels, b);
  x.ids = in[kIds].at<int32_t>(levels, b);
  x.count = in[kCount].at<int32_t>(levels, b);
  x.start = in[kStart].at<uint32_t>(levels, b);
  x.offset = in[kOffset].at<uint32_t>(levels, b);
  x.targets = in[kTargets].at<char>(levels, b);
  x.weight = in[kWeight].at<char>(levels, b);
  x.acc = const_cast<char*>(in[kAcc].at<char>(levels, b));
  x.n_delays = in[kDelays].dims[0];
  x.depth = in[kIds].dims[0];
  x.n_ids = in[kIds].dims[1];
  x.n_source = in[kStart].dims[1];
  x.n_blocks = in[kAcc].dims[0];
  x.block_size = in[kAcc].dims[1];
  x.n_edges = static_cast<uint64_t>(in[kTargets].dims[0]);
  return x;
}

// Counts the pairs (delay, source) that this step serves.
ffi::Error count_spikes(Delivery* x) {
  x->n_spikes = 0;
  for (int64_t d = 0; d < x->n_delays; ++d) {
    const int32_t delay = x->delays[d];
    if (delay < 1 || delay > x->depth) {
      return bad(say("a delay lies between 1 and the depth of the ring,", x->depth) + say("; got", delay));
    }
    const int64_t slot = (x->step - static_cast<uint32_t>(delay)) & static_cast<uint32_t>(x->depth - 1);
    const int32_t count = x->count[slot];
    if (count < 0 || count > x->n_ids) {
      return bad(say("a count of spikes lies between 0 and", x->n_ids) + say("; got", count) + say(" in ring row", slot));
    }
    x->n_spikes += count;
  }
  return ffi::Error::Success();
}

ffi::Error explain(const Delivery& x, const Failure& f) {
  switch (f.wrong) {
    case Wrong::kSource:
      return bad(say("source index out of range: got", f.value) + say(" at delay", f.delay) +
                 say(", expected 0 <= index <", x.n_source));
    case Wrong::kSegment:
      return bad(say("row of source", f.source) + say(" at delay", f.delay) + say(" ends at edge", f.value) +
                 say(", there are", static_cast<int64_t>(x.n_edges)));
    case Wrong::kTarget:
      return bad(say("target index out of range: got", f.value) + say(" in the row of source", f.source) +
                 say(" at delay", f.delay) + say(", expected 0 <= index <", x.block_size));
    default:
      return ffi::Error::Success();
  }
}

double expected_nanoseconds(const std::vector<Delivery>& work) {
  double total = 0;
  for (const Delivery& x : work) {
    const double rows = static_cast<double>(x.n_spikes);
    const double cells = static_cast<double>(x.n_source) * static_cast<double>(x.n_delays);
    const double events = cells > 0 ? static_cast<double>(x.n_edges) / cells : 0;
    total += rows * (kNanosecondsPerRow * static_cast<double>(x.n_blocks) + kNanosecondsPerEvent * events);
  }
  return total;
}

// Runs every block of every element of the batch; blocks are independent.
class Blocks {
 public:
  Blocks(DeliverBlock run, const std::vector<Delivery>& work, int64_t n_blocks)
      : run_(run), work_(work), n_blocks_(n_blocks), mode_(float_mode()) {}

  void operator()(int64_t item) {
    const Delivery& x = work_[static_cast<size_t>(item / n_blocks_)];
    const ScopedFloatMode same_as_caller(mode_);
    const Failure failure = run_(x, item % n_blocks_);
    if (failure.wrong != Wrong::kNothing && !failed_.exchange(true)) {
      failure_ = failure;
      failed_work_ = &x;
    }
  }

  // To be asked after all items are done.
  ffi::Error outcome() const { return failed_.load() ? explain(*failed_work_, failure_) : ffi::Error::Success(); }

 private:
  const DeliverBlock run_;
  const std::vector<Delivery>& work_;
  const int64_t n_blocks_;
  const FloatMode mode_;
  std::atomic<bool> failed_{false};
  Failure failure_;
  const Delivery* failed_work_ = nullptr;
};

ffi::Error run(ffi::ThreadPool& pool, const Call& call) {
  std::vector<Delivery> work;
  work.reserve(static_cast<size_t>(call.levels.batch));
  for (int64_t b = 0; b < call.levels.batch; ++b) {
    Delivery x = describe(call, b);
    if (ffi::Error error = count_spikes(&x); error.failure()) return error;
    if (x.n_spikes > 0) work.push_back(x);
  }
  const int64_t n_blocks = call.in[kAcc].dims[0];
  const int64_t items = static_cast<int64_t>(work.size()) * n_blocks;
  if (items == 0) return ffi::Error::Success();
  Blocks blocks(call.run, work, n_blocks);
  const bool share = items > 1 && expected_nanoseconds(work) > kParallelNanoseconds;
  parallel_for(pool, items, share ? pool.num_threads() : 1, blocks);
  return blocks.outcome();
}

// The outputs are the aliased state operands; where XLA could not alias, the input is carried over.
void carry_over(const ffi::AnyBuffer& from, ffi::Result<ffi::AnyBuffer>& to) {
  if (from.untyped_data() != to->untyped_data()) {
    std::memcpy(to->untyped_data(), from.untyped_data(), from.size_bytes());
  }
}

ffi::Error deliver(ffi::ThreadPool pool, ffi::AnyBuffer step, ffi::AnyBuffer delays, ffi::AnyBuffer ids,
                   ffi::AnyBuffer count, ffi::AnyBuffer start, ffi::AnyBuffer offset, ffi::AnyBuffer targets,
                   ffi::AnyBuffer weight, ffi::AnyBuffer acc, ffi::Result<ffi::AnyBuffer> acc_out,
                   ffi::Result<ffi::AnyBuffer> ids_out, ffi::Result<ffi::AnyBuffer> count_out,
                   ffi::Span<const int64_t> levels, ffi::Span<const int64_t> mapped, int64_t isa,
                   int64_t weight_kind) {
  if (acc.size_bytes() != acc_out->size_bytes() || ids.size_bytes() != ids_out->size_bytes() ||
      count.size_bytes() != count_out->size_bytes()) {
    return bad("accumulators, ring ids and ring count keep their size");
  }
  carry_over(acc, acc_out);
  carry_over(ids, ids_out);
  carry_over(count, count_out);
  Call call;
  if (mapped.size() != kOperands) return bad("one word of batch axes per operand expected");
  if (!decode(levels, &call.levels)) return bad(say("more batch axes than served:", static_cast<int64_t>(levels.size())));
  const ffi::AnyBuffer* buffers[kOperands] = {&step, &delays, &ids, &count, &start, &offset, &targets, &weight, &acc};
  for (int64_t i = 0; i < kOperands; ++i) {
    if (!decode(*buffers[i], call.levels, mapped[static_cast<size_t>(i)], &call.in[i])) {
      return bad(say("batch axes do not match the shape of operand", i));
    }
  }
  if (mapped[kAcc] != (int64_t{1} << call.levels.n) - 1) return bad("accumulators need every batch axis");
  call.in[kAcc].data = static_cast<const char*>(acc_out->untyped_data());
  if (weight_kind < 0 || weight_kind > 2) return bad(say("unknown kind of weight", weight_kind));
  call.kind = static_cast<WeightKind>(weight_kind);
  if (ffi::Error error = check_shapes(call); error.failure()) return error;
  if (ffi::Error error = check_weight(call); error.failure()) return error;
  if (ffi::Error error = choose_kernel(&call, isa); error.failure()) return error;
  return run(pool, call);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_deliver, deliver,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()  // step
                                  .Arg<ffi::AnyBuffer>()  // delays
                                  .Arg<ffi::AnyBuffer>()  // ring ids
                                  .Arg<ffi::AnyBuffer>()  // ring count
                                  .Arg<ffi::AnyBuffer>()  // start
                                  .Arg<ffi::AnyBuffer>()  // offset
                                  .Arg<ffi::AnyBuffer>()  // targets
                                  .Arg<ffi::AnyBuffer>()  // weight
                                  .Arg<ffi::AnyBuffer>()  // accumulators
                                  .Ret<ffi::AnyBuffer>()  // accumulators
                                  .Ret<ffi::AnyBuffer>()  // ring ids
                                  .Ret<ffi::AnyBuffer>()  // ring count
                                  .Attr<ffi::Span<const int64_t>>("levels")
                                  .Attr<ffi::Span<const int64_t>>("mapped")
                                  .Attr<int64_t>("isa")
                                  .Attr<int64_t>("weight_kind"));

}  // namespace neuro4d
