#include "lif.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "cpu.h"
#include "float_mode.h"
#include "lif_element.h"
#include "memory.h"
#include "parallel.h"
#include "team.h"

namespace neuro4d {

namespace {

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

// What a thread needs to itself: the description of the step that it is at, and room to work in. It is used again by later calls:
// making it anew costs as much as a step of a small network.
struct ThreadScratch {
  LifStep step;
  std::vector<Delivery> deliveries;
  std::vector<std::vector<SpikeList>> arrivals;
  Scratch room;
  uint64_t owner = 0;  // the number of the `Steps` that it is set up for
  int64_t at = -1;     // the step that it describes
};

uint64_t next_number() {
  static std::atomic<uint64_t> given{0};
  return ++given;
}

// The steps of one element: delivers into the sums of a block and steps its neurons while they are in cache.
class Steps {
 public:
  Steps(const LifCall& call, const Element& element, LifBlock run)
      : call_(call), element_(element), run_(run), mode_(float_mode()), number_(next_number()) {}

  void block(int64_t k, int64_t block) {
    thread_local ThreadScratch own;
    const ScopedFloatMode same_as_caller(mode_);
    if (own.owner != number_) set_up(&own);
    if (own.at != k) move_to(k, &own);
    const LifStep& x = own.step;
    const size_t bytes = static_cast<size_t>(call_.block_size()) * sizeof(float);
    const int64_t row = block * call_.block_size();
    if (x.late != nullptr) std::memset(x.late + row, 0, bytes);
    if (x.early != nullptr) std::memset(x.early + row, 0, bytes);
    for (size_t p = 0; p < own.deliveries.size(); ++p) {
      if (own.deliveries[p].n_spikes == 0) continue;
      const Failure failure = call_.paths[p].run(own.deliveries[p], block);
      if (failure.wrong != Wrong::kNone && !failed_.exchange(true)) {
        failure_ = failure;
        failed_path_ = p;
      }
    }
    run_(x, block, &own.room);
  }

  bool close(int64_t k) {
    remember(element_, element_.first_step + static_cast<uint32_t>(k), element_.step.words + k * call_.n_words());
    return !failed_.load(std::memory_order_relaxed);
  }

  // To be asked after all steps are done.
  ffi::Error outcome() const {
    return failed_.load() ? explain(element_.deliveries[failed_path_], failure_) : ffi::Error::Success();
  }

 private:
  void set_up(ThreadScratch* own) const {
    own->step = element_.step;
    own->deliveries = element_.deliveries;
    own->arrivals.resize(own->deliveries.size());
    for (Scratch::CachedSum& drive : own->room.drive) drive.done = false;
    own->owner = number_;
    own->at = -1;
  }

  void move_to(int64_t k, ThreadScratch* own) const {
    own->at = k;
    own->step.elapsed = element_.step.elapsed + static_cast<uint32_t>(k);
    own->step.words = element_.step.words + k * call_.n_words();
    for (size_t p = 0; p < own->deliveries.size(); ++p) {
      own->deliveries[p].step = element_.first_step + static_cast<uint32_t>(k);
      list_arrivals(&own->deliveries[p], &own->arrivals[p]);
    }
  }

  const LifCall& call_;
  const Element& element_;
  const LifBlock run_;
  const FloatMode mode_;
  const uint64_t number_;
  std::atomic<bool> failed_{false};
  Failure failure_;
  size_t failed_path_ = 0;
};

// Elements of a batch are independent over all steps, so threads share them out, if there are enough; else they share the
// blocks of each step.
ffi::Error run_elements(ffi::ThreadPool& pool, const LifCall& call, const std::vector<Element>& elements, int64_t isa) {
  const LifBlock run = block_function(isa);
  const int64_t batch = call.batch.total, threads = pool.num_threads();
  double expected = 0, least = batch > 0 ? elements[0].expected : 0;
  for (const Element& e : elements) {
    expected += e.expected * static_cast<double>(e.n_steps);
    least = std::min(least, e.expected);
  }
  const bool separate = batch >= threads || call.n_blocks < 2;
  const bool share_blocks = !separate && worth_sharing(expected) && (call.length == 1 || least > cost::kMeeting);
  const int64_t members = share_blocks ? std::min(threads, call.n_blocks) : 1;
  std::vector<ffi::Error> outcomes(static_cast<size_t>(batch));
  auto one = [&](int64_t b) {
    const Element& e = elements[static_cast<size_t>(b)];
    Steps steps(call, e, run);
    run_steps(pool, e.n_steps, call.n_blocks, members, steps);
    outcomes[static_cast<size_t>(b)] = steps.outcome();
  };
  parallel_for(pool, batch, separate && worth_sharing(expected) ? threads : 1, one);
  for (ffi::Error& outcome : outcomes) {
    if (outcome.failure()) return outcome;
  }
  return ffi::Error::Success();
}

// Room for many rows of spikes is fresh memory in every call; page by page the system needs longer to hand it out.
void advise_rows(const LifCall& call) {
  const int64_t bytes = call.batch.total * call.length * call.n_words() * 4;
  constexpr int64_t kLarge = 4 << 20;
  if (bytes >= kLarge) advise_huge(call.words, static_cast<size_t>(bytes), false);
}

ffi::Error lif_run(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Span<const int64_t> names,
                   ffi::Span<const int64_t> results, ffi::Span<const int64_t> batch, ffi::Span<const int64_t> mapped,
                   ffi::Span<const int64_t> ports, ffi::Span<const int64_t> paths, ffi::Span<const int64_t> poisson,
                   ffi::Span<const int64_t> extras, int64_t rings, int64_t mortal, int64_t width, int64_t length, int64_t isa) {
  LifCall call;
  const LifCallSpec plan{{names, results, batch, mapped}, ports, paths, poisson, extras, rings, mortal, width, length, isa};
  if (ffi::Error error = decode(args, rets, plan, &call); error.failure()) return error;
  advise_rows(call);
  std::vector<Element> elements(static_cast<size_t>(call.batch.total));
  for (int64_t b = 0; b < call.batch.total; ++b) {
    if (ffi::Error error = describe_element(call, b, &elements[static_cast<size_t>(b)]); error.failure()) return error;
  }
  return run_elements(pool, call, elements, isa);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_lif_run, lif_run,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("names")
                                  .Attr<ffi::Span<const int64_t>>("results")
                                  .Attr<ffi::Span<const int64_t>>("batch")
                                  .Attr<ffi::Span<const int64_t>>("mapped")
                                  .Attr<ffi::Span<const int64_t>>("ports")
                                  .Attr<ffi::Span<const int64_t>>("paths")
                                  .Attr<ffi::Span<const int64_t>>("poisson")
                                  .Attr<ffi::Span<const int64_t>>("extras")
                                  .Attr<int64_t>("rings")
                                  .Attr<int64_t>("mortal")
                                  .Attr<int64_t>("width")
                                  .Attr<int64_t>("length")
                                  .Attr<int64_t>("isa"));

}  // namespace neuro4d
