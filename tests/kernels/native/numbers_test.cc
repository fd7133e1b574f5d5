// Exponentials against those of the library, widened weights and Poisson counts against plain loops.
#include "numbers.h"

#include <algorithm>
#include <cmath>

#include "check.h"

namespace n4_test {

namespace {

using neuro4d::Isa;

Numbers numbers(Isa isa) {
#if defined(N4_X86_VARIANTS)
  if (isa == Isa::kAvx512) return numbers_avx512();
  if (isa == Isa::kAvx2) return numbers_avx2();
#else
  (void)isa;
#endif
  return numbers_baseline();
}

// Within 1.75 units in the last place, up to where e^x would overflow.
void one_minus_exponential(const Numbers& numbers, Report* report, Digest* digest) {
  std::vector<float> x = {0.0f, -0.0f, -INFINITY, 87.0f, -87.33655f, -103.97f, 1e-30f, -1e-30f};
  Random random(3);
  for (int i = 0; i < 60000; ++i) x.push_back(random.between(-106, 87));
  for (int i = 0; i < 40000; ++i) x.push_back(random.between(-1, 1));
  for (int i = 0; i < 40000; ++i) x.push_back(random.between(-1e-3f, 1e-3f));
  while (x.size() % 16 != 0) x.push_back(0.0f);
  std::vector<float> out(x.size());
  numbers.one_minus_exponential(x.data(), static_cast<int64_t>(x.size()), out.data());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = -std::expm1(static_cast<double>(x[i]));
    int exponent = 0;
    std::frexp(static_cast<float>(expected), &exponent);
    const double unit = std::ldexp(1.0, exponent > -125 ? exponent - 24 : -149);
    worst = std::fmax(worst, std::fabs(static_cast<double>(out[i]) - expected) / unit);
  }
  CLAIM(report, worst <= 1.75);
  CLAIM(report, out[0] == 0.0f && out[1] == 0.0f && out[2] == 1.0f);
  digest->add(out);
  x.assign(16, NAN);
  numbers.one_minus_exponential(x.data(), 16, out.data());
  CLAIM(report, std::isnan(out[0]) && std::isnan(out[15]));
}

// Units in the last place by which a number misses another.
double units_between(float x, double expected) {
  int exponent = 0;
  std::frexp(static_cast<float>(expected), &exponent);
  return std::fabs(static_cast<double>(x) - expected) / std::ldexp(1.0, exponent > -125 ? exponent - 24 : -149);
}

// e^x within 1 unit in the last place, (e^x - 1) / x within 2.5.
void exponential(const Numbers& numbers, Report* report, Digest* digest) {
  std::vector<float> x = {0.0f, -0.0f, -INFINITY, 88.7f, -87.33655f, -103.97f, 1e-30f, -1e-30f, 89.0f, INFINITY};
  Random random(4);
  for (int i = 0; i < 60000; ++i) x.push_back(random.between(-103, 88.7f));
  for (int i = 0; i < 60000; ++i) x.push_back(random.between(-2, 2));
  while (x.size() % 16 != 0) x.push_back(0.0f);
  std::vector<float> out(x.size()), ratio(x.size());
  numbers.exponential(x.data(), static_cast<int64_t>(x.size()), out.data());
  numbers.exprel(x.data(), static_cast<int64_t>(x.size()), ratio.data());
  double worst = 0, worst_ratio = 0;
  for (size_t i = 10; i < x.size(); ++i) {
    const double exact = static_cast<double>(x[i]);
    worst = std::fmax(worst, units_between(out[i], std::exp(exact)));
    if (exact < 87) worst_ratio = std::fmax(worst_ratio, units_between(ratio[i], exact == 0 ? 1 : std::expm1(exact) / exact));
  }
  CLAIM(report, worst <= 1);
  CLAIM(report, worst_ratio <= 2.5);
  CLAIM(report, out[0] == 1.0f && out[1] == 1.0f && out[2] == 0.0f && out[6] == 1.0f && std::isinf(out[8]) && std::isinf(out[9]));
  CLAIM(report, ratio[0] == 1.0f && ratio[1] == 1.0f && ratio[6] == 1.0f && ratio[7] == 1.0f);
  digest->add(out);
  digest->add(ratio);
  x.assign(16, NAN);
  numbers.exponential(x.data(), 16, out.data());
  numbers.exprel(x.data(), 16, ratio.data());
  CLAIM(report, std::isnan(out[0]) && std::isnan(ratio[15]));
}

// Within 1e-7, or 2 units in the last place where that is more, down to the least that noise asks for.
void logarithm(const Numbers& numbers, Report* report, Digest* digest) {
  std::vector<float> x = {1.0f, std::nextafter(1.0f, 0.0f), 0x1p-24f, 0x1p-23f, 0.5f};
  Random random(5);
  for (int i = 0; i < 60000; ++i) x.push_back(random.between(0x1p-20f, 1));
  for (int i = 0; i < 20000; ++i) x.push_back(std::ldexp(random.between(0.5f, 1), -(i % 24)));
  while (x.size() % 16 != 0) x.push_back(1.0f);
  std::vector<float> out(x.size());
  numbers.logarithm(x.data(), static_cast<int64_t>(x.size()), out.data());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = std::log(static_cast<double>(x[i]));
    int exponent = 0;
    std::frexp(static_cast<float>(expected), &exponent);
    const double allowed = std::fmax(1e-7, 2 * std::ldexp(1.0, exponent - 24));
    worst = std::fmax(worst, std::fabs(static_cast<double>(out[i]) - expected) / allowed);
  }
  CLAIM(report, worst <= 1);
  digest->add(out);
}

// Every number that can be drawn, against one Newton step in double precision, which squares what is left of the error.
void normal(const Numbers& numbers, Report* report, Digest* digest) {
  constexpr int64_t kAtOnce = 1 << 16;
  constexpr double kRoot2 = 1.4142135623730951, kPerDensity = 2.5066282746310002;
  std::vector<uint32_t> words(kAtOnce);
  std::vector<float> out(kAtOnce);
  double worst = 0, squares = 0;
  for (int64_t first = 0; first < 1 << 23; first += kAtOnce) {
    for (int64_t j = 0; j < kAtOnce; ++j) words[static_cast<size_t>(j)] = static_cast<uint32_t>(first + j) << 9;
    numbers.normal(words.data(), kAtOnce, out.data());
    for (int64_t j = 0; j < kAtOnce; ++j) {
      const double z = static_cast<double>(out[static_cast<size_t>(j)]), u = (static_cast<double>(first + j) + 0.5) / (1 << 23);
      const double beyond = z < 0 ? 0.5 * std::erfc(-z / kRoot2) - u : 1 - u - 0.5 * std::erfc(z / kRoot2);
      const double error = beyond * kPerDensity * std::exp(z * z / 2);
      worst = std::fmax(worst, std::fabs(error) / std::fmax(1.0, std::fabs(z)));
      squares += z * z;
    }
    digest->add(out);
  }
  CLAIM(report, worst <= 1e-6);
  CLAIM(report, std::fabs(squares / (1 << 23) - 1) < 1e-5);  // the variance, less what lies beyond the last number
}

// All numbers of 16 bits. What the bits of a NaN are is left to the processor.
void widening(const Numbers& numbers, Report* report, Digest* digest) {
  std::vector<uint16_t> x(65536);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i);
  const int64_t n = static_cast<int64_t>(x.size());
  std::vector<float> half(x.size()), brain(x.size());
  numbers.widen_f16(x.data(), n, half.data());
  numbers.widen_bf16(x.data(), n, brain.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const int exponent = i >> 10 & 31, mantissa = i & 1023;
    const double sign = i & 0x8000 ? -1 : 1;
    if (exponent == 31) {
      CLAIM(report, mantissa == 0 ? half[i] == sign * INFINITY : std::isnan(half[i]));
    } else {
      const double size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      CLAIM(report, half[i] == sign * size && std::signbit(half[i]) == (sign < 0));
    }
    uint32_t bits;
    std::memcpy(&bits, &brain[i], 4);
    CLAIM(report, bits == static_cast<uint32_t>(i) << 16 || std::isnan(brain[i]));
    if (std::isnan(half[i])) half[i] = 0;
    if (std::isnan(brain[i])) brain[i] = 0;
  }
  digest->add(half);
  digest->add(brain);
  for (int64_t short_n = 0; short_n < 40; ++short_n) {  // tails
    std::vector<float> out(64, -1.0f);
    numbers.widen_f16(x.data() + 15360, short_n, out.data());
    for (int64_t i = 0; i < 64; ++i) CLAIM(report, out[i] == (i < short_n ? half[static_cast<size_t>(15360 + i)] : -1.0f));
  }
}

// Thresholds of a Poisson distribution; those that round to 2^32 are written as 0.
std::vector<uint32_t> thresholds(double mean, double none, size_t length) {
  std::vector<uint32_t> out;
  double p = none, sum = 0;
  for (size_t j = 0; j < length; ++j) {
    sum += p;
    p *= mean / static_cast<double>(j + 1);
    const double bound = std::ceil(sum * 0x1p32);
    out.push_back(bound >= 0x1p32 ? 0 : static_cast<uint32_t>(bound));
  }
  return out;
}

struct Input {
  std::vector<uint32_t> thresholds, a0, b0;
  std::vector<float> weight;
  std::vector<neuro4d::PoissonRun> runs;
  static constexpr size_t kLength = 40;
};

// Neurons 3 .. 602 share segment 0; 610 .. 649 have one segment each.
Input make_input() {
  constexpr double kMeans[] = {0.01, 2, 9}, kNone[] = {0.9900498337491681, 0.1353352832366127, 1.2340980408667956e-4};
  Input in;
  in.runs = {{3, 600, 0, 0}, {610, 40, 1, 1}};
  for (uint32_t s = 0; s < 41; ++s) {
    const std::vector<uint32_t> more = thresholds(kMeans[(s + 1) % 3], kNone[(s + 1) % 3], Input::kLength);
    in.thresholds.insert(in.thresholds.end(), more.begin(), more.end());
    in.a0.push_back(s == 0 ? 3u : 7919u);  // a run has one address
    in.b0.push_back(s == 0 ? 8u : 104729u);
    in.weight.push_back(0.5f + 0.25f * static_cast<float>(s));
  }
  return in;
}

int32_t count_plainly(const Input& in, const neuro4d::GroupStep& x, size_t segment, uint32_t local) {
  const uint32_t word = word_plainly(x, in.a0[segment], in.b0[segment], local);
  int32_t count = 0;
  for (size_t j = 0; j < Input::kLength; ++j) {
    const uint32_t bound = in.thresholds[segment * Input::kLength + j];
    if (bound != 0 && word >= bound) ++count;
  }
  return count;
}

void poisson(const Numbers& numbers, Report* report, Digest* digest) {
  const Input in = make_input();
  std::vector<uint32_t> beside(in.thresholds.size());  // thresholds of neurons side by side
  for (size_t s = 0; s < 41; ++s) {
    for (size_t t = 0; t < Input::kLength; ++t) beside[t * 41 + s] = in.thresholds[s * Input::kLength + t];
  }
  std::vector<uint32_t> rows(3 * beside.size(), 0);
  std::copy(beside.begin(), beside.end(), rows.begin() + static_cast<int64_t>(beside.size()));
  neuro4d::PoissonInput input{0, in.runs.data(), 2, beside.data(), static_cast<int64_t>(Input::kLength), in.weight.data(),
                              in.a0.data(), in.b0.data(), 41, true, 0, 3};
  neuro4d::GroupStep x;
  x.n = 650;
  x.key[0] = 0x12345678u;
  x.key[1] = 0x9ABCDEF0u;
  double total = 0;
  for (x.elapsed = 0; x.elapsed < 50; ++x.elapsed) {
    std::vector<float> arrivals(650, 0.125f), expected = arrivals;
    // In two pieces, as the blocks of a group would ask.
    numbers.poisson(x, input, 0, 320, arrivals.data());
    numbers.poisson(x, input, 320, 330, arrivals.data() + 320);
    for (const neuro4d::PoissonRun& run : in.runs) {
      for (int32_t j = 0; j < run.size; ++j) {
        const size_t segment = static_cast<size_t>(run.segment + run.stride * j);
        const int32_t count = count_plainly(in, x, segment, static_cast<uint32_t>(j));
        expected[static_cast<size_t>(run.first + j)] += static_cast<float>(count) * in.weight[segment];
        if (run.stride == 0) total += count;
      }
    }
    CLAIM(report, same_bytes(arrivals, expected));
    digest->add(arrivals);
    std::vector<float> again(650, 0.125f);  // the second of three rows, each for two steps of the input
    input.hold = 2;
    input.thresholds = rows.data();
    const uint32_t elapsed = x.elapsed;
    numbers.poisson(x, input, 0, 650, again.data());
    CLAIM(report, elapsed / 2 == 1 ? same_bytes(again, expected) : again == std::vector<float>(650, 0.125f));
    input.hold = 0;
    input.thresholds = beside.data();
  }
  CLAIM(report, std::fabs(total / (600 * 50) - 2) < 5 * std::sqrt(2.0 / (600 * 50)));  // the mean, within five standard errors
}

}  // namespace

void test_numbers(Isa isa, Report* report, Digest* digest) {
  one_minus_exponential(numbers(isa), report, digest);
  exponential(numbers(isa), report, digest);
  logarithm(numbers(isa), report, digest);
  normal(numbers(isa), report, digest);
  widening(numbers(isa), report, digest);
  poisson(numbers(isa), report, digest);
}

}  // namespace n4_test
