#include "deliver.h"

#include <atomic>
#include <string>
#include <vector>

#include "delivery.h"
#include "float_mode.h"
#include "parallel.h"

namespace neuro4d {

namespace {

enum Index { kStep, kDelays, kIds, kCount, kStart, kOffset, kTargets, kWeight, kAcc, kOperands };

struct Call {
  Levels levels;
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
  std::vector<std::vector<Arrival>> arrivals(static_cast<size_t>(call.levels.batch));
  work.reserve(static_cast<size_t>(call.levels.batch));
  double expected = 0;
  for (int64_t b = 0; b < call.levels.batch; ++b) {
    Delivery x = describe(call.synapses, call.ring, call.levels, b);
    x.step = *call.step.at<uint32_t>(call.levels, b);
    x.acc = const_cast<char*>(call.acc.at<char>(call.levels, b));
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

ffi::Error check(const Call& call, int64_t mapped_acc) {
  if (!has(call.step, ffi::DataType::U32, 0)) return bad("expected a uint32 scalar as step");
  if (call.acc.rank != 2) return bad("expected accumulators (n_blocks, n_ports * width)");
  if (mapped_acc != (int64_t{1} << call.levels.n) - 1) return bad("accumulators need every batch axis");
  if (ffi::Error error = check(call.ring); error.failure()) return error;
  return check(call.synapses, call.acc.dims[0]);
}

ffi::Error deliver(ffi::ThreadPool pool, ffi::AnyBuffer step, ffi::AnyBuffer delays, ffi::AnyBuffer ids,
                   ffi::AnyBuffer count, ffi::AnyBuffer start, ffi::AnyBuffer offset, ffi::AnyBuffer targets,
                   ffi::AnyBuffer weight, ffi::AnyBuffer acc, ffi::Result<ffi::AnyBuffer> acc_out,
                   ffi::Result<ffi::AnyBuffer> ids_out, ffi::Result<ffi::AnyBuffer> count_out,
                   ffi::Span<const int64_t> levels, ffi::Span<const int64_t> mapped, int64_t isa,
                   int64_t weight_kind) {
  Call call;
  if (mapped.size() != kOperands) return bad("one word of batch axes per operand expected");
  if (!decode(levels, &call.levels)) return bad(say("more batch axes than served:", static_cast<int64_t>(levels.size())));
  const ffi::AnyBuffer* buffers[kOperands] = {&step, &delays, &ids, &count, &start, &offset, &targets, &weight, &acc};
  Operand* operands[kOperands] = {&call.step,           &call.synapses.delays, &call.ring.ids,
                                  &call.ring.count,     &call.synapses.start,  &call.synapses.offset,
                                  &call.synapses.targets, &call.synapses.weight, &call.acc};
  for (int64_t i = 0; i < kOperands; ++i) {
    if (!decode(*buffers[i], call.levels, mapped[static_cast<size_t>(i)], operands[i])) {
      return bad(say("batch axes do not match the shape of operand", i));
    }
  }
  if (acc.size_bytes() != acc_out->size_bytes() || ids.size_bytes() != ids_out->size_bytes() ||
      count.size_bytes() != count_out->size_bytes()) {
    return bad("accumulators, ring ids and ring count keep their size");
  }
  carry_over(acc, *acc_out);
  carry_over(ids, *ids_out);
  carry_over(count, *count_out);
  call.acc.data = static_cast<const char*>(acc_out->untyped_data());
  if (weight_kind < 0 || weight_kind > 2) return bad(say("unknown kind of weight", weight_kind));
  call.synapses.kind = static_cast<WeightKind>(weight_kind);
  if (ffi::Error error = check(call, mapped[kAcc]); error.failure()) return error;
  if (ffi::Error error = choose(call.synapses, call.acc.dtype, isa, &call.run); error.failure()) return error;
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
