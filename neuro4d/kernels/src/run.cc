#include "run.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <vector>

#include "cost.h"
#include "float_mode.h"
#include "memory.h"
#include "parallel.h"
#include "run_element.h"
#include "team.h"

namespace neuro4d {

namespace {

// A group as one thread works on it: the description of the step that it is at, and sums that stay the same.
struct GroupScratch {
  GroupStep step;
  std::vector<Delivery> deliveries;
  std::vector<std::vector<SpikeList>> arrivals;
  Scratch::Kept kept;
  int64_t at = -1;  // the step that it describes
};

// What a thread needs to itself. It is used again by later calls: making it anew costs as much as a step of a small network.
struct ThreadScratch {
  std::vector<GroupScratch> groups;
  Scratch room;
  uint64_t owner = 0;  // the number of the `Steps` that it is set up for
};

uint64_t next_number() {
  static std::atomic<uint64_t> given{0};
  return ++given;
}

// The steps of one element, whose items are the blocks of all its groups: a spike acts in a later step, so they are independent. An item
// delivers into the sums of a block and steps its neurons while they are in cache. A round is as many steps as nobody hears of meanwhile.
class Steps {
 public:
  Steps(const RunCall& call, const Element& element, const Kernels& kernels)
      : call_(call), element_(element), run_(kernels.block), mode_(float_mode()), number_(next_number()) {
    for (size_t g = 0; g < call.groups.size(); ++g) {
      for (int64_t block = 0; block < call.groups[g].n_blocks; ++block) items_.push_back({g, block});
    }
  }

  int64_t n_items() const { return static_cast<int64_t>(items_.size()); }
  int64_t n_rounds() const { return step_rounds() + (element_.learns ? 1 : 0); }

  void block(int64_t round, int64_t number) {
    thread_local ThreadScratch own;
    const ScopedFloatMode same_as_caller(mode_);
    if (own.owner != number_) set_up(&own);
    const Item& item = items_[static_cast<size_t>(number)];
    GroupScratch& group = own.groups[item.group];
    own.room.kept = &group.kept;
    if (round == step_rounds()) return sweep(item, group);
    for (int64_t k = round * element_.round; k < end_of(round); ++k) {
      if (group.at != k) move_to(k, item.group, &group);
      step(item, group, &own.room);
      if (element_.apart) remember_step(item.group, k);
    }
  }

  bool close(int64_t round) {
    for (size_t g = 0; !element_.apart && round < step_rounds() && g < element_.groups.size(); ++g) remember_step(g, round);
    return !failed_.load(std::memory_order_relaxed);
  }

  // To be asked after all steps are done.
  ffi::Error outcome() const {
    return failed_.load() ? explain(element_.groups[failed_group_].deliveries[failed_path_], failure_) : ffi::Error::Success();
  }

 private:
  struct Item {
    size_t group;
    int64_t block;
  };

  int64_t end_of(int64_t round) const { return std::min((round + 1) * element_.round, element_.n_steps); }

  // The rounds of steps; one more brings all synapses that learn up to date.
  int64_t step_rounds() const { return (element_.n_steps + element_.round - 1) / element_.round; }

  void remember_step(size_t g, int64_t k) const {
    const GroupElement& group = element_.groups[g];
    for (size_t p = 0; p < group.deliveries.size(); ++p) {
      const Learning& learning = group.learnings[p].learning;
      if (learning.rule != nullptr) learning.rule->hear(group.deliveries[p], learning, static_cast<int32_t>(k + 1));
    }
    remember(group, element_.first_step + static_cast<uint32_t>(k), group.step.words + k * group.step.n_words());
  }

  void step(const Item& item, const GroupScratch& group, Scratch* room) {
    const GroupStep& x = group.step;
    const size_t bytes = static_cast<size_t>(x.block_size()) * sizeof(float);
    const int64_t row = item.block * x.block_size();
    if (x.late != nullptr) std::memset(x.late + row, 0, bytes);
    if (x.early != nullptr) std::memset(x.early + row, 0, bytes);
    for (size_t p = 0; p < group.deliveries.size(); ++p) {
      const Learning& learning = learning_of(item, p);
      if (learning.rule != nullptr) {
        deliver_learning(item, group, p, learning);
      } else if (group.deliveries[p].n_spikes > 0) {
        note(item, p, call_.groups[item.group].paths[p].run(group.deliveries[p], item.block));
      }
    }
    run_(x, item.block, room);
    for (size_t p = 0; element_.learns && p < group.deliveries.size(); ++p) {
      const Learning& learning = learning_of(item, p);
      if (learning.rule != nullptr) learn(item, group, p, learning);
    }
  }

  const Learning& learning_of(const Item& item, size_t p) const { return element_.groups[item.group].learnings[p].learning; }

  void deliver_learning(const Item& item, const GroupScratch& group, size_t p, const Learning& learning) {
    const LearnEntry& rule = *learning.rule;
    const Delivery& x = group.deliveries[p];
    const int wide = is_wide(item, p);
    const int32_t now = static_cast<int32_t>(group.at + 1);
    if (learning.blocks[item.block].full) note(item, p, rule.sweep[wide](x, learning, item.block, now - 1));
    if (x.n_spikes > 0) note(item, p, rule.deliver[wide](x, learning, item.block, now));
  }

  void learn(const Item& item, const GroupScratch& group, size_t p, const Learning& learning) {
    const LearnEntry& rule = *learning.rule;
    const Delivery& x = group.deliveries[p];
    const int32_t now = static_cast<int32_t>(group.at + 1);
    rule.fire(x, learning, item.block, now, group.step.words);
    note(item, p, rule.arrive[is_wide(item, p)](x, learning, item.block, now));
    rule.enter(x, learning, item.block, now, group.step.words);
  }

  // Brings all synapses of a block up to date at the end of a call.
  void sweep(const Item& item, const GroupScratch& group) {
    for (size_t p = 0; p < group.deliveries.size(); ++p) {
      const Learning& learning = learning_of(item, p);
      if (learning.rule == nullptr) continue;
      note(item, p, learning.rule->sweep[is_wide(item, p)](group.deliveries[p], learning, item.block, static_cast<int32_t>(element_.n_steps)));
    }
  }

  int is_wide(const Item& item, size_t p) const { return call_.groups[item.group].paths[p].synapses.targets.dtype == ffi::DataType::U32 ? 1 : 0; }

  void note(const Item& item, size_t p, const Failure& failure) {
    if (failure.wrong == Wrong::kNone || failed_.exchange(true)) return;
    failure_ = failure;
    failed_group_ = item.group;
    failed_path_ = p;
  }

  void set_up(ThreadScratch* own) const {
    own->groups.resize(element_.groups.size());
    for (size_t g = 0; g < own->groups.size(); ++g) {
      GroupScratch& group = own->groups[g];
      group.step = element_.groups[g].step;
      group.deliveries = element_.groups[g].deliveries;
      group.arrivals.resize(group.deliveries.size());
      for (Scratch::CachedSum& drive : group.kept.drive) drive.done = false;
      group.kept.pass_known = false;
      group.at = -1;
    }
    own->owner = number_;
  }

  void move_to(int64_t k, size_t g, GroupScratch* group) const {
    const GroupStep& first = element_.groups[g].step;
    group->at = k;
    group->step.k = k;
    group->step.elapsed = first.elapsed + static_cast<uint32_t>(k);
    group->step.words = first.words + k * first.n_words();
    for (size_t p = 0; p < group->deliveries.size(); ++p) {
      group->deliveries[p].step = element_.first_step + static_cast<uint32_t>(k);
      list_arrivals(&group->deliveries[p], &group->arrivals[p]);
    }
  }

  const RunCall& call_;
  const Element& element_;
  const BlockFunction run_;
  const FloatMode mode_;
  const uint64_t number_;
  std::vector<Item> items_;
  std::atomic<bool> failed_{false};
  Failure failure_;
  size_t failed_group_ = 0, failed_path_ = 0;
};

// Elements of a batch are independent over all steps, so threads share them out, if there are enough; else they share the items of
// each step.
ffi::Error run_elements(ffi::ThreadPool& pool, const RunCall& call, const std::vector<Element>& elements, int64_t isa) {
  const Kernels& offered = kernels(isa);
  const int64_t batch = call.batch.total, threads = pool.num_threads();
  int64_t n_items = 0;
  for (const GroupOperands& group : call.groups) n_items += group.n_blocks;
  double expected = 0, least = std::numeric_limits<double>::infinity();  // of all steps, and of a round
  for (const Element& e : elements) {
    expected += e.expected * static_cast<double>(e.n_steps);
    least = std::min(least, e.expected * static_cast<double>(e.round));
  }
  const bool separate = batch >= threads || n_items < 2;
  const bool share_items = !separate && worth_sharing(expected) && (call.length == 1 || least > cost::kMeeting);
  const int64_t members = share_items ? std::min(threads, n_items) : 1;
  std::vector<ffi::Error> outcomes(static_cast<size_t>(batch));
  auto one = [&](int64_t b) {
    const Element& e = elements[static_cast<size_t>(b)];
    Steps steps(call, e, offered);
    run_steps(pool, steps.n_rounds(), steps.n_items(), members, steps);
    outcomes[static_cast<size_t>(b)] = steps.outcome();
  };
  parallel_for(pool, batch, separate && worth_sharing(expected) ? threads : 1, one);
  for (ffi::Error& outcome : outcomes) {
    if (outcome.failure()) return outcome;
  }
  return ffi::Error::Success();
}

// Room for many rows of spikes is fresh memory in every call; page by page the system needs longer to hand it out.
void advise_rows(const RunCall& call) {
  constexpr int64_t kLarge = 4 << 20;
  for (const GroupOperands& group : call.groups) {
    const int64_t bytes = call.batch.total * call.length * group.n_words() * 4;
    if (bytes >= kLarge) advise_huge(group.words, static_cast<size_t>(bytes), false);
  }
}

// A step that serves very many delays reads from as many rows of the past, each on a page of its own: more than a processor knows the
// places of. Asked for now and then, since XLA may have moved the past meanwhile, and since it costs about as much as a small step.
void advise_pasts(const RunCall& call) {
  constexpr int64_t kMany = 1024, kSeldom = 256;
  if (call.length == 1 && *call.step.at<uint32_t>(call.batch, 0) % kSeldom != 0) return;
  for (const GroupOperands& group : call.groups) {
    for (const PathOperands& path : group.paths) {
      const Operand& ids = call.rings[static_cast<size_t>(path.ring)].ids;
      if (path.synapses.delays.dims[0] < kMany) continue;
      advise_huge(const_cast<char*>(ids.data), static_cast<size_t>(ids.dims[0] * ids.dims[1]) * sizeof(int32_t), true);
    }
  }
}

ffi::Error run(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Span<const int64_t> names,
               ffi::Span<const int64_t> results, ffi::Span<const int64_t> batch, ffi::Span<const int64_t> mapped,
               ffi::Span<const int64_t> groups, ffi::Span<const int64_t> ports, ffi::Span<const int64_t> paths,
               ffi::Span<const int64_t> poisson, ffi::Span<const int64_t> extras, int64_t rings, int64_t length, int64_t isa) {
  RunCall call;
  const RunSpec spec{{names, results, batch, mapped}, groups, ports, paths, poisson, extras, rings, length, isa};
  if (ffi::Error error = decode(args, rets, spec, &call); error.failure()) return error;
  advise_rows(call);
  advise_pasts(call);
  std::vector<Element> elements(static_cast<size_t>(call.batch.total));
  for (int64_t b = 0; b < call.batch.total; ++b) {
    if (ffi::Error error = describe_element(call, b, &elements[static_cast<size_t>(b)]); error.failure()) return error;
  }
  return run_elements(pool, call, elements, isa);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_run, run,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("names")
                                  .Attr<ffi::Span<const int64_t>>("results")
                                  .Attr<ffi::Span<const int64_t>>("batch")
                                  .Attr<ffi::Span<const int64_t>>("mapped")
                                  .Attr<ffi::Span<const int64_t>>("groups")
                                  .Attr<ffi::Span<const int64_t>>("ports")
                                  .Attr<ffi::Span<const int64_t>>("paths")
                                  .Attr<ffi::Span<const int64_t>>("poisson")
                                  .Attr<ffi::Span<const int64_t>>("extras")
                                  .Attr<int64_t>("rings")
                                  .Attr<int64_t>("length")
                                  .Attr<int64_t>("isa"));

}  // namespace neuro4d
