#include "events.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "columns.h"
#include "cpu.h"

namespace nb = nanobind;

namespace neuro4d {

namespace {

using Bits = nb::ndarray<const uint32_t, nb::ndim<2>, nb::device::cpu>;  // rows may lie apart: a population is a part of its group

constexpr size_t kTogether = 16;

// Words of some rows, of which those at the ends also hold the neurons of somebody else.
struct Cut {
  const uint32_t* words;  // the first of the first row
  int64_t apart;
  size_t rows, width;
  uint32_t head, tail;
};

bool any(const uint32_t* words) {
  uint32_t all = 0;
  for (size_t k = 0; k < kTogether; ++k) all |= words[k];
  return all != 0;
}

// Most words are zero: they are passed over many at once.
template <typename Found>
void each_word(const Cut& cut, Found&& found) {
  for (size_t row = 0; row < cut.rows; ++row) {
    const uint32_t* const own = cut.words + static_cast<int64_t>(row) * cut.apart;
    for (size_t begin = 0; begin < cut.width; begin += kTogether) {
      const size_t end = begin + kTogether < cut.width ? begin + kTogether : cut.width;
      if (end == begin + kTogether && !any(own + begin)) continue;
      for (size_t k = begin; k < end; ++k) {
        uint32_t bits = own[k];
        if (k == 0) bits &= cut.head;
        if (k + 1 == cut.width) bits &= cut.tail;
        if (bits) found(row, k, bits);
      }
    }
  }
}

// Steps and ids of the neurons `start` to `start + n - 1`, ordered by step and then by neuron; the first row is step `begin`.
nb::tuple events(Bits words, size_t start, size_t n, int64_t begin) {
  const size_t rows = words.shape(0), first = start / 32, after = (start + n + 31) / 32;
  require(start <= INT32_MAX && n <= INT32_MAX && after <= words.shape(1), "words hold all neurons");
  require(!rows || words.shape(1) < 2 || words.stride(1) == 1, "words of a row follow each other");
  const uint32_t all = ~uint32_t{0}, rest = (start + n) % 32;
  const Cut cut{words.data() + first, words.stride(0), rows, n ? after - first : 0, all << (start % 32), rest ? (uint32_t{1} << rest) - 1 : all};
  std::unique_ptr<int64_t[]> step;
  std::unique_ptr<int32_t[]> id;
  size_t count = 0;
  {
    nb::gil_scoped_release release;
    each_word(cut, [&](size_t, size_t, uint32_t bits) {
      for (; bits; bits &= bits - 1) ++count;
    });
    step.reset(new int64_t[count]);
    id.reset(new int32_t[count]);
    size_t at = 0;
    const int64_t shift = static_cast<int64_t>(first * 32) - static_cast<int64_t>(start);
    each_word(cut, [&](size_t row, size_t word, uint32_t bits) {
      for (; bits; bits &= bits - 1, ++at) {
        step[at] = begin + static_cast<int64_t>(row);
        id[at] = static_cast<int32_t>(shift + static_cast<int64_t>(32 * word) + lowest_bit(bits));
      }
    });
  }
  return nb::make_tuple(made(std::move(step), {count}), made(std::move(id), {count}));
}

}  // namespace

void define_events(nb::module_& m) {
  m.def("events", &events, nb::arg("words"), nb::arg("start"), nb::arg("n"), nb::arg("begin"), "Steps and ids of the bits that are set.");
}

}  // namespace neuro4d
