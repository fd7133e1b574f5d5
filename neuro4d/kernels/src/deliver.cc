#include "deliver.h"

#include <atomic>
#include <string>
#include <vector>

#include "delivery.h"
#include "float_mode.h"
#include "parallel.h"

namespace neuro4d {

namespace {

struct Call {
  BatchShape batch;
  Operand step, acc;
  Ring ring;
  Synapses synapses;
  DeliverBlock run = nullptr;
};

// Runs every block of every element of the batch; blocks are independent.
class Blocks {
 public:
  Blocks(DeliverBlock run, const std::vector<Delivery>& work, int64_t n_blocks)
      : run_(run), work_(work), n_blocks_(n_blocks), mode_(float_mode()) {}

  void operator()(int64_t item) {
    const Delivery& x = work_[static_cast<size_t>(item / n_blocks_)];
    const ScopedFloatMode same_as_caller(mode_);
    const Failure failure = run_(x, item % n_blocks_);
    if (failure.wrong != Wrong::kNone && !failed_.exchange(true)) {
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
  std::vector<std::vector<SpikeList>> arrivals(static_cast<size_t>(call.batch.total));
  work.reserve(static_cast<size_t>(call.batch.total));
  double expected = 0;
  for (int64_t b = 0; b < call.batch.total; ++b) {
    Delivery x = describe(call.synapses, call.ring, call.acc.dims[0], call.batch, b);
    x.step = *call.step.at<uint32_t>(call.batch, b);
    x.acc = const_cast<char*>(call.acc.at<char>(call.batch, b));
    x.block_size = call.acc.dims[1];
    if (ffi::Error error = check_ring(x); error.failure()) return error;
    list_arrivals(&x, &arrivals[static_cast<size_t>(b)]);
    if (x.n_spikes == 0) continue;
    expected += expected_nanoseconds(x);
    work.push_back(x);
  }
  const int64_t n_blocks = call.acc.dims[0];
  const int64_t items = static_cast<int64_t>(work.size()) * n_blocks;
  if (items == 0) return ffi::Error::Success();
  Blocks blocks(call.run, work, n_blocks);
  parallel_for(pool, items, items > 1 && worth_sharing(expected) ? pool.num_threads() : 1, blocks);
  return blocks.outcome();
}

ffi::Error check(const Call& call) {
  if (!has(call.step, ffi::DataType::U32, 0)) return bad("expected a uint32 scalar as step");
  if (call.acc.rank != 2) return bad("expected accumulators (n_blocks, n_ports * width)");
  N4_TRY(check(call.ring));
  return check(call.synapses, call.acc.dims[0]);
}

ffi::Error deliver(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Span<const int64_t> names,
                   ffi::Span<const int64_t> results, ffi::Span<const int64_t> batch, ffi::Span<const int64_t> mapped, int64_t isa,
                   int64_t weight_kind) {
  Call call;
  if (!decode(batch, &call.batch)) return bad(say("more batch axes than served:", static_cast<int64_t>(batch.size())));
  CallBuffers buffers(args, rets, {names, results, batch, mapped}, call.batch);
  N4_TRY(buffers.read(N4_NAME("step"), &call.step));
  N4_TRY(buffers.carry(N4_NAME("ring.ids"), false, &call.ring.ids));
  N4_TRY(buffers.carry(N4_NAME("ring.count"), false, &call.ring.count));
  N4_TRY(read_synapses(&buffers, -1, weight_kind, false, &call.synapses));
  N4_TRY(buffers.carry(N4_NAME("acc"), true, &call.acc));
  N4_TRY(buffers.finish());
  N4_TRY(check(call));
  N4_TRY(choose(call.synapses, call.acc.dtype, isa, &call.run));
  return run(pool, call);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_deliver, deliver,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("names")
                                  .Attr<ffi::Span<const int64_t>>("results")
                                  .Attr<ffi::Span<const int64_t>>("batch")
                                  .Attr<ffi::Span<const int64_t>>("mapped")
                                  .Attr<int64_t>("isa")
                                  .Attr<int64_t>("weight_kind"));

}  // namespace neuro4d
