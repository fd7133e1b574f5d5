// Usage: n4_test [deliver|numbers|step|threads ...]. Exit status 0 if every claim holds.
#include "check.h"

namespace {

struct Part {
  const char* name;
  void (*run)(neuro4d::Isa, n4_test::Report*, n4_test::Digest*);
};

constexpr Part kParts[] = {{"deliver", n4_test::test_delivery},
                           {"numbers", n4_test::test_numbers},
                           {"step", n4_test::test_step},
                           {"threads", n4_test::test_threads}};

bool wanted(const char* name, int count, char** names) {
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(name, names[i]) == 0) return true;
  }
  return count == 0;
}

}  // namespace

int main(int argc, char** argv) {
  n4_test::Report report;
  uint64_t first = 0;
  for (int isa = 0; isa <= static_cast<int>(neuro4d::best_isa()); ++isa) {
    const neuro4d::Isa set = static_cast<neuro4d::Isa>(isa);
    n4_test::Digest digest;
    for (const Part& part : kParts) {
      if (!wanted(part.name, argc - 1, argv + 1)) continue;
      report.about(std::string(part.name) + ", " + neuro4d::isa_name(set));
      part.run(set, &report, &digest);
    }
    std::printf("digest %016llx %s\n", static_cast<unsigned long long>(digest.value()), neuro4d::isa_name(set));
    if (isa == 0) first = digest.value();
    CLAIM(&report, digest.value() == first);
  }
  std::printf("%lld claims, %lld do not hold\n", static_cast<long long>(report.claims()), static_cast<long long>(report.failures()));
  return report.failures() == 0 ? 0 : 1;
}
