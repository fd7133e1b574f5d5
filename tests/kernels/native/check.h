// What the tests share: claims that hold in every build, random numbers, and a digest of results.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "cpu.h"
#include "program.h"
#include "types.h"

namespace n4_test {

// Counts what failed; the first failures are printed.
class Report {
 public:
  void claim(bool holds, const char* text, const char* file, int line) {
    ++claims_;
    if (holds) return;
    if (++failures_ <= 20) std::printf("%s:%d: does not hold: %s (%s)\n", file, line, text, about_.c_str());
  }

  void about(const std::string& what) { about_ = what; }
  int64_t claims() const { return claims_; }
  int64_t failures() const { return failures_; }

 private:
  std::string about_;
  int64_t claims_ = 0, failures_ = 0;
};

#define CLAIM(report, condition) (report)->claim((condition), #condition, __FILE__, __LINE__)

// FNV-1a over the bytes of results.
class Digest {
 public:
  template <typename T>
  void add(const std::vector<T>& values) {
    const unsigned char* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(T); ++i) value_ = (value_ ^ bytes[i]) * 0x100000001B3u;
  }

  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xCBF29CE484222325u;
};

// A linear congruential generator (Knuth, 1998) with its low bits left out: the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2862933555777941757u + 3037000493u) {}

  uint32_t word() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 32);
  }

  int64_t below(int64_t n) { return static_cast<int64_t>(word() % static_cast<uint64_t>(n)); }
  float between(float low, float high) { return low + (high - low) * (static_cast<float>(word() >> 8) * 0x1p-24f); }

 private:
  uint64_t state_;
};

template <typename T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

inline const neuro4d::Kernels& kernels(neuro4d::Isa isa) { return neuro4d::kernels(static_cast<int64_t>(isa)); }

inline const neuro4d::DeliverTable& deliver_table(neuro4d::Isa isa) { return kernels(isa).deliver; }

// Each adds its results to the digest, which is the same for every instruction set.
void test_delivery(neuro4d::Isa isa, Report* report, Digest* digest);
void test_numbers(neuro4d::Isa isa, Report* report, Digest* digest);
void test_step(neuro4d::Isa isa, Report* report, Digest* digest);
void test_threads(neuro4d::Isa isa, Report* report, Digest* digest);

}  // namespace n4_test
