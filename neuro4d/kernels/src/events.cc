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

uint32_t bits_in(uint32_t word) {  // without branches, products and instructions of newer machines: compilers take several words at once
  word -= word >> 1 & 0x55555555u;
  word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
  word = (word + (word >> 4)) & 0x0F0F0F0Fu;
  word += word >> 8;
  return (word + (word >> 16)) & 0x3Fu;
}

// Calls `found` with blocks of words that are not all zero: the row, the number of the first word, and the words, with zeros behind the last of a row.
template <typename Found>
void each_block(const Cut& cut, Found&& found) {
  uint32_t copy[kTogether];
  for (size_t row = 0; row < cut.rows; ++row) {
    const uint32_t* const own = cut.words + static_cast<int64_t>(row) * cut.apart;
    for (size_t begin = 0; begin < cut.width; begin += kTogether) {
      const uint32_t* words = own + begin;
      const size_t left = cut.width - begin;
      if (begin == 0 || left <= kTogether) {
        for (size_t k = 0; k < kTogether; ++k) copy[k] = k < left ? words[k] : 0;
        if (begin == 0) copy[0] &= cut.head;
        if (left <= kTogether) copy[left - 1] &= cut.tail;
        words = copy;
      }
      if (any(words)) found(row, begin, words);
    }
  }
}

size_t count(const Cut& cut) {
  size_t all = 0;
  each_block(cut, [&](size_t, size_t, const uint32_t* words) {
    uint32_t bits = 0;
    for (size_t k = 0; k < kTogether; ++k) bits += bits_in(words[k]);
    all += bits;
  });
  return all;
}

// Step and id of each bit. `shift`: what the first neuron of the first word is called.
void list(const Cut& cut, int64_t begin, int64_t shift, int64_t* step, int32_t* id) {
  each_block(cut, [&](size_t row, size_t first, const uint32_t* words) {
    uint32_t some = 0;  // which words are not zero: a branch for each of them would be guessed wrong as often as not
    for (size_t k = 0; k < kTogether; ++k) some |= static_cast<uint32_t>(words[k] != 0) << k;
    for (; some; some &= some - 1) {
      const size_t k = static_cast<size_t>(lowest_bit(some));
      for (uint32_t bits = words[k]; bits; bits &= bits - 1) {
        *step++ = begin + static_cast<int64_t>(row);
        *id++ = static_cast<int32_t>(shift + static_cast<int64_t>(32 * (first + k)) + lowest_bit(bits));
      }
    }
  });
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
  size_t n_events = 0;
  {
    nb::gil_scoped_release release;
    n_events = count(cut);
    step.reset(new int64_t[n_events]);
    id.reset(new int32_t[n_events]);
    list(cut, begin, static_cast<int64_t>(first * 32) - static_cast<int64_t>(start), step.get(), id.get());
  }
  return nb::make_tuple(made(std::move(step), {n_events}), made(std::move(id), {n_events}));
}

}  // namespace

void define_events(nb::module_& m) {
  m.def("events", &events, nb::arg("words"), nb::arg("start"), nb::arg("n"), nb::arg("begin"), "Steps and ids of the bits that are set.");
}

}  // namespace neuro4d
