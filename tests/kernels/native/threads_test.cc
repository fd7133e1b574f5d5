// Work shared among threads: every item once, steps in their order, and the same bits for any number of threads.
#include <atomic>
#include <memory>

#include "float_mode.h"
#include "named.h"
#include "parallel.h"
#include "pool.h"
#include "run_element.h"
#include "synapses.h"
#include "team.h"

namespace n4_test {

namespace {

using neuro4d::Isa;

// Denormal numbers are taken for 0, as XLA's threads do.
neuro4d::FloatMode flushing() {
#if defined(__x86_64__) || defined(_M_X64)
  return neuro4d::float_mode() | 0x8040u;
#elif defined(__aarch64__) && !defined(_MSC_VER)
  return neuro4d::float_mode() | (1u << 24);
#else
  return neuro4d::float_mode();
#endif
}

void items(Pool& pool, Report* report) {
  for (int64_t n : {0, 1, 2, 7, 1000}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<int64_t> times(static_cast<size_t>(n), 0);
      auto item = [&](int64_t i) { ++times[static_cast<size_t>(i)]; };
      neuro4d::parallel_for(pool, n, pool.num_threads() + 1, item);
      CLAIM(report, times == std::vector<int64_t>(static_cast<size_t>(n), 1));
    }
  }
}

// Each block of a step reads what all blocks of the step before have written, and what closing it has written.
struct Chain {
  Chain(int64_t n_blocks, int64_t last) : values(static_cast<size_t>(n_blocks), 0), stop_after(last) {}

  void block(int64_t step, int64_t block) {
    if (sum != step * static_cast<int64_t>(values.size())) wrong = true;
    if (values[static_cast<size_t>(block)]++ != step) wrong = true;
  }

  bool close(int64_t step) {
    sum = 0;
    for (const int64_t value : values) sum += value;
    closed.push_back(step);
    return step != stop_after;
  }

  std::vector<int64_t> values, closed;
  int64_t sum = 0;
  const int64_t stop_after;
  std::atomic<bool> wrong{false};
};

void teams(Pool& pool, Report* report) {
  for (const int64_t n_blocks : {1, 2, 5, 16}) {
    for (const int64_t members : {1, 2, 3, 5}) {
      for (const int64_t stop_after : {-1, 0, 20}) {
        Chain chain(n_blocks, stop_after);
        neuro4d::run_steps(pool, 50, n_blocks, std::min(members, n_blocks), chain);
        const size_t steps = static_cast<size_t>(stop_after < 0 ? 50 : stop_after + 1);
        CLAIM(report, !chain.wrong.load() && chain.closed.size() == steps);
        CLAIM(report, chain.values == std::vector<int64_t>(static_cast<size_t>(n_blocks), static_cast<int64_t>(steps)));
        for (size_t k = 0; k < chain.closed.size(); ++k) CLAIM(report, chain.closed[k] == static_cast<int64_t>(k));
      }
    }
  }
}

constexpr int64_t kN = 1024, kWidth = 128, kBlocks = 8, kSteps = 40;
constexpr int32_t kBounds[] = {0, kN};
constexpr float kDecay = 0.9f, kHeld = 0.95f, kLeak = 0.01f, kResistance = 0.2f, kRest = -60, kThreshold = -50, kDrive = 60, kHold = 20;

Layout recurrent(Random* random) {
  Drawn drawn = draw({kN, kBlocks, 2 * kWidth, 3, 8, {1, 4, 8}, neuro4d::WeightKind::kSource, 4}, random);
  return lay_out(drawn);
}

// A recurrent network of one group with two receptors: the pieces of a call for many steps, put together as src/run.cc does.
class Network {
 public:
  Network(Isa isa, neuro4d::FloatMode mode) : random_(11), layout_(recurrent(&random_)), isa_(isa), mode_(mode) {
    for (int64_t j = 0; j < kN; ++j) v_.push_back(random_.between(-62, -50));
    for (int64_t j = 0; j < kN; ++j) weights_.push_back(j % 5 == 0 ? -300.0f : j % 5 == 1 ? 1e-39f : random_.between(20, 200));
    left_.assign(kN, 0.0f);
    words_.assign(kSteps * kN / 32, 0);
    late_.assign(2 * kN, 0.0f);
    targets_.assign(layout_.flat.begin(), layout_.flat.end());
    for (size_t p = 0; p < 2; ++p) {
      state_[p].assign(kN, p == 0 ? 0.0f : 1e-39f);
      ports_[p] = receptor_of("ExpCurrent", {{"port.i", state_[p].data()}}, {{"port.decay", &kDecay}, {"port.held", &kHeld}});
    }
    extra_.value = {&kDrive};
    for (int64_t b = 0; b < kBlocks; ++b) rooms_.push_back(std::make_unique<Room>());
    describe_step();
  }

  void block(int64_t step, int64_t block) {
    const neuro4d::ScopedFloatMode same_as_caller(mode_);
    neuro4d::GroupStep x = element_.step;
    x.k = step;
    x.words += step * (kN / 32);
    std::fill(late_.begin() + block * 2 * kWidth, late_.begin() + (block + 1) * 2 * kWidth, 0.0f);
    neuro4d::Delivery d = describe(layout_);
    d.step = static_cast<uint32_t>(step);
    d.targets = targets_.data();
    d.weight = weights_.data();
    d.acc = late_.data();
    std::vector<neuro4d::SpikeList> arrivals;
    list_spikes(&d, &arrivals);
    if (d.n_spikes > 0) deliver_table(isa_).at[0][0][0][1](d, block);
    kernels(isa_).block(x, block, rooms_[static_cast<size_t>(block)]->scratch());
  }

  bool close(int64_t step) {
    neuro4d::remember(element_, static_cast<uint32_t>(step), element_.step.words + step * (kN / 32));
    return true;
  }

  bool operator==(const Network& other) const {
    return same_bytes(v_, other.v_) && words_ == other.words_ && layout_.count == other.layout_.count && layout_.ids == other.layout_.ids &&
           same_bytes(state_[0], other.state_[0]) && same_bytes(state_[1], other.state_[1]);
  }

  int64_t spikes() const {
    int64_t n = 0;
    for (uint32_t word : words_) {
      for (; word != 0; word &= word - 1) ++n;
    }
    return n;
  }

  void add_to(Digest* digest) const {
    digest->add(v_);
    digest->add(words_);
    digest->add(state_[0]);
    digest->add(state_[1]);
  }

 private:
  void describe_step() {
    neuro4d::GroupStep& x = element_.step;
    x.n = kN;
    x.width = kWidth;
    x.n_blocks = kBlocks;
    cell_of("LIF", {{"cell.v", v_.data()}, {"cell.left", left_.data()}},
            {{"cell.leak", &kLeak}, {"cell.resistance", &kResistance}, {"cell.rate", &kDecay}, {"cell.g_leak", &kDecay},
             {"cell.v_rest", &kRest}, {"cell.v_th", &kThreshold}, {"cell.v_reset", &kRest}, {"cell.hold", &kHold}}, &x);
    x.words = words_.data();
    x.bounds = kBounds;
    x.n_spans = 1;
    x.ports = ports_;
    x.n_ports = 2;
    x.extras = &extra_;
    x.n_extras = 1;
    x.late = late_.data();
    element_.ring_ids = layout_.ids.data();
    element_.ring_count = layout_.count.data();
    element_.depth = layout_.shape.depth;
  }

  Random random_;
  Layout layout_;
  const Isa isa_;
  const neuro4d::FloatMode mode_;
  std::vector<float> v_, late_, weights_, state_[2];
  std::vector<float> left_;
  std::vector<uint32_t> words_;
  std::vector<uint16_t> targets_;
  neuro4d::PortStep ports_[2];
  neuro4d::Extra extra_;
  neuro4d::GroupElement element_;
  std::vector<std::unique_ptr<Room>> rooms_;
};

}  // namespace

void test_threads(Isa isa, Report* report, Digest* digest) {
  Pool pool(4);
  if (isa == Isa::kBaseline) {
    items(pool, report);
    teams(pool, report);
  }
  for (const neuro4d::FloatMode mode : {neuro4d::float_mode(), flushing()}) {
    const neuro4d::FloatMode before = neuro4d::float_mode();
    Network alone(isa, mode);
    neuro4d::run_steps(pool, kSteps, kBlocks, 1, alone);
    CLAIM(report, alone.spikes() > 500);
    for (const int64_t members : {2, 3, 5}) {
      Network shared(isa, mode);
      neuro4d::run_steps(pool, kSteps, kBlocks, members, shared);
      CLAIM(report, shared == alone);
    }
    alone.add_to(digest);
    CLAIM(report, neuro4d::float_mode() == before);
  }
}

}  // namespace n4_test
