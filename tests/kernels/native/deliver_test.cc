// Every kernel of delivery against plain loops, and what it says about indices out of range.
#include <vector>

#include "synapses.h"

namespace n4_test {

namespace {

using neuro4d::Isa;
using neuro4d::WeightKind;
using neuro4d::Wrong;

// A weight as it is stored, and its value. Values of 16 bits are drawn as bits, subnormal ones included.
struct F32 {
  using Stored = float;
  static float draw(Random* r) { return r->between(-2, 2); }
  static double value(float x) { return x; }
};

struct F64 {
  using Stored = double;
  static double draw(Random* r) { return static_cast<double>(r->between(-2, 2)) * (1 + 0x1p-40); }
  static double value(double x) { return x; }
};

double scaled(double x, int power) {
  for (; power > 0; --power) x *= 2;
  for (; power < 0; ++power) x *= 0.5;
  return x;
}

struct F16 {
  using Stored = uint16_t;
  static uint16_t draw(Random* r) {
    const int64_t exponent = r->below(20);
    return static_cast<uint16_t>((r->word() & 0x83FF) | exponent << 10);
  }
  static double value(uint16_t x) {
    const int exponent = x >> 10 & 31;
    const double size = exponent == 0 ? scaled(x & 1023, -24) : scaled(1024 + (x & 1023), exponent - 25);
    return x & 0x8000 ? -size : size;
  }
};

struct BF16 {
  using Stored = uint16_t;
  static uint16_t draw(Random* r) {
    const int64_t exponent = 110 + r->below(20);
    return static_cast<uint16_t>((r->word() & 0x807F) | exponent << 7);
  }
  static double value(uint16_t x) {
    const double size = scaled(128 + (x & 127), (x >> 7 & 255) - 134);
    return x & 0x8000 ? -size : size;
  }
};

template <typename T, typename A, typename W>
void compare(Isa isa, const Layout& layout, int storage, Random* random, Report* report, Digest* digest) {
  std::vector<typename W::Stored> stored(static_cast<size_t>(layout.n_weights()));
  std::vector<A> weights(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    stored[i] = W::draw(random);
    weights[i] = static_cast<A>(W::value(stored[i]));
  }
  const std::vector<T> targets(layout.flat.begin(), layout.flat.end());
  std::vector<A> acc(static_cast<size_t>(layout.shape.n_blocks * layout.shape.block_size));
  for (A& x : acc) x = static_cast<A>(random->between(-1, 1));
  std::vector<A> expected = acc;
  neuro4d::Delivery x = describe(layout);
  x.targets = targets.data();
  x.weight = stored.data();
  x.acc = acc.data();
  x.step = random->word();
  std::vector<neuro4d::SpikeList> arrivals;
  list_spikes(&x, &arrivals);
  const auto run = deliver_table(isa).at[sizeof(T) == 4][sizeof(A) == 8][storage][static_cast<int>(layout.shape.kind)];
  for (int64_t block = 0; block < x.n_blocks; ++block) CLAIM(report, run(x, block).wrong == Wrong::kNone);
  deliver_plainly(layout, x.step, weights, &expected);
  CLAIM(report, same_bytes(acc, expected));
  digest->add(acc);
}

template <typename T>
void compare_all(Isa isa, const Layout& layout, Random* random, Report* report, Digest* digest) {
  compare<T, float, F32>(isa, layout, 0, random, report, digest);
  compare<T, float, F16>(isa, layout, 2, random, report, digest);
  compare<T, float, BF16>(isa, layout, 3, random, report, digest);
  compare<T, double, F32>(isa, layout, 0, random, report, digest);
  compare<T, double, F64>(isa, layout, 1, random, report, digest);
  compare<T, double, F16>(isa, layout, 2, random, report, digest);
  compare<T, double, BF16>(isa, layout, 3, random, report, digest);
}

// A target, a source or an edge that is not there is reported by its value, and nothing is written beyond the sums.
void refuse(Isa isa, Report* report) {
  Random random(99);
  const Layout layout = lay_out(draw({40, 1, 30, 6, 4, {1, 2}, WeightKind::kOne, 200}, &random));
  const float weight = 1;
  for (const Wrong wrong : {Wrong::kTarget, Wrong::kSource, Wrong::kSegment}) {
    std::vector<uint16_t> targets(layout.flat.begin(), layout.flat.end());
    std::vector<int32_t> ids = layout.ids;
    std::vector<float> acc(31, 0.0f);
    neuro4d::Delivery x = describe(layout);
    if (wrong == Wrong::kTarget) std::fill(targets.begin(), targets.end(), uint16_t{30});
    if (wrong == Wrong::kSource) std::fill(ids.begin(), ids.end(), 40);
    if (wrong == Wrong::kSegment) x.n_edges = 0;
    x.targets = targets.data();
    x.ids = ids.data();
    x.weight = &weight;
    x.acc = acc.data();
    x.step = 5;
    std::vector<neuro4d::SpikeList> arrivals;
    list_spikes(&x, &arrivals);
    const neuro4d::Failure failure = deliver_table(isa).at[0][0][0][0](x, 0);
    CLAIM(report, failure.wrong == wrong);
    CLAIM(report, wrong != Wrong::kTarget || failure.value == 30);
    CLAIM(report, wrong != Wrong::kSource || failure.value == 40);
    CLAIM(report, acc == std::vector<float>(31, 0.0f));
  }
}

}  // namespace

void test_delivery(Isa isa, Report* report, Digest* digest) {
  Random random(1);
  for (const WeightKind kind : {WeightKind::kOne, WeightKind::kSource, WeightKind::kEdge}) {
    for (const Shape& shape : {Shape{40, 3, 17, 4, 8, {1, 3, 4}, kind, 90}, Shape{1, 1, 1, 3, 1, {1}, kind, 256},
                               Shape{150, 2, 900, 25, 16, {2, 3, 5, 16}, kind, 128}, Shape{30, 1, 65536, 90, 4, {1}, kind, 128}}) {
      const Layout layout = lay_out(draw(shape, &random));
      compare_all<uint16_t>(isa, layout, &random, report, digest);
      compare_all<uint32_t>(isa, layout, &random, report, digest);
    }
  }
  CLAIM(report, deliver_table(isa).at[0][0][1][0] == nullptr);  // float64 weights into float32 sums
  refuse(isa, report);
}

}  // namespace n4_test
