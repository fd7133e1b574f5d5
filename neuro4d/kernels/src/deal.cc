#include "deal.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "columns.h"

namespace nb = nanobind;

namespace neuro4d {

namespace {

constexpr size_t kMostKinds = 255;
constexpr size_t kLanes = 4;

void require_pieces(size_t n, const Column<int64_t>& length, size_t n_blocks) {
  size_t all = 0;
  for (size_t piece = 0; piece < length.size(); ++piece) {
    require(length(piece) >= 0, "pieces have no negative length");
    all += static_cast<size_t>(length(piece));
  }
  require(all == n && n <= INT32_MAX && n_blocks && length.size() % n_blocks == 0, "pieces of rows hold all edges, 2^31 at most");
}

// Writes down the kind of each edge. Pieces of a row lead to one block after the other. False where an edge leads to no slot.
template <typename T>
bool look_up(const T* target, const int64_t* length, size_t n_pieces, size_t n_blocks, size_t block_size, const uint8_t* table, uint8_t* kind) {
  bool right = true;
  size_t block = 0;
  for (size_t piece = 0; piece < n_pieces; ++piece) {
    const uint8_t* const own = table + block * block_size;
    for (int64_t k = 0; k < length[piece]; ++k) {
      const size_t local = target[k];
      if (local >= block_size) {
        right = false;
        break;
      }
      kind[k] = own[local];
    }
    target += length[piece], kind += length[piece];
    block = block + 1 == n_blocks ? 0 : block + 1;
  }
  return right;
}

// Numbers of edges of each kind. Equal kinds follow each other, and a sum that waits for itself is slow: so several sums.
void count(const uint8_t* kind, size_t n, int64_t* counts) {
  int64_t lanes[kLanes][256] = {};
  size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) ++lanes[lane][kind[k + lane]];
  }
  for (; k < n; ++k) ++lanes[0][kind[k]];
  for (size_t each = 0; each < 256; ++each) {
    counts[each] = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) counts[each] += lanes[lane][each];
  }
}

// The edges of rows by the kind that a table names for the sum to which they add: their numbers, those of kind 0 first, each kind ascending, and
// where each kind ends. Kinds from `kinds` on are left out.
template <typename T>
nb::tuple deal(Column<T> target, Column<int64_t> length, size_t n_blocks, size_t block_size, Column<uint8_t> table, size_t kinds) {
  const size_t n = target.size(), n_pieces = length.size();
  require_pieces(n, length, n_blocks);
  require(table.size() == n_blocks * block_size && kinds <= kMostKinds, "a table has a kind for each sum, of 255 at most");
  std::unique_ptr<uint8_t[]> kind(new uint8_t[n]);
  std::unique_ptr<int64_t[]> ends(new int64_t[kinds]);
  std::unique_ptr<int32_t[]> found;
  size_t kept = 0;
  bool right = true;
  {
    nb::gil_scoped_release release;
    right = look_up(target.data(), length.data(), n_pieces, n_blocks, block_size, table.data(), kind.get());
    if (right) {
      int64_t counts[256], next[256];
      count(kind.get(), n, counts);
      for (size_t each = 0; each < kinds; ++each) {
        next[each] = static_cast<int64_t>(kept);
        ends[each] = static_cast<int64_t>(kept += static_cast<size_t>(counts[each]));
      }
      for (size_t each = kinds; each < 256; ++each) next[each] = static_cast<int64_t>(n);  // a place behind all, written over and over
      found.reset(new int32_t[n + 1]);
      for (size_t k = 0; k < n; ++k) {
        const uint8_t own = kind[k];
        found[next[own]] = static_cast<int32_t>(k);
        next[own] += own < kinds;
      }
    }
  }
  require(right, "edges lead to sums of their block");
  return nb::make_tuple(made(std::move(found), {kept}), made(std::move(ends), {kinds}));
}

// How many edges of each kind rows have.
template <typename T>
nb::object tally(Column<T> target, Column<int64_t> length, size_t n_blocks, size_t block_size, Column<uint8_t> table, size_t kinds) {
  const size_t n = target.size();
  require_pieces(n, length, n_blocks);
  require(table.size() == n_blocks * block_size && kinds <= kMostKinds, "a table has a kind for each sum, of 255 at most");
  std::unique_ptr<uint8_t[]> kind(new uint8_t[n]);
  std::unique_ptr<int64_t[]> counts(new int64_t[256]);
  bool right = true;
  {
    nb::gil_scoped_release release;
    right = look_up(target.data(), length.data(), length.size(), n_blocks, block_size, table.data(), kind.get());
    if (right) count(kind.get(), n, counts.get());
  }
  require(right, "edges lead to sums of their block");
  return made(std::move(counts), {kinds});
}

// Copies what rows hold for their edges to where the edges of their kind lie: `next` says where the next one of each goes, and is brought up to date.
template <typename T, typename V>
void gather(Column<T> target, Column<int64_t> length, size_t n_blocks, size_t block_size, Column<uint8_t> table, Column<V> value, Scratch<int64_t> next,
            Scratch<V> out) {
  const size_t n = target.size(), kinds = next.size();
  require_pieces(n, length, n_blocks);
  require(table.size() == n_blocks * block_size && kinds <= kMostKinds && value.size() == n, "tables have a kind for each sum, and edges a value");
  std::unique_ptr<uint8_t[]> kind(new uint8_t[n]);
  const V* const from = value.data();
  V* const to = out.data();
  int64_t* const place = next.data();
  bool right = true;
  {
    nb::gil_scoped_release release;
    right = look_up(target.data(), length.data(), length.size(), n_blocks, block_size, table.data(), kind.get());
    int64_t counts[256];
    if (right) count(kind.get(), n, counts);
    for (size_t each = 0; each < kinds && right; ++each) {
      right = place[each] >= 0 && counts[each] <= static_cast<int64_t>(out.size()) - place[each];
    }
    for (size_t k = 0; k < n && right; ++k) {
      if (kind[k] < kinds) to[place[kind[k]]++] = from[k];
    }
  }
  require(right, "edges lead to sums of their block, and their values have room");
}

// A number that changes altogether with any bit of its arguments; _wiring.py computes the same.
uint64_t mixed(uint64_t edge, uint64_t pre, uint64_t post, uint64_t delay) {
  uint64_t x = (post | delay << 32) ^ (edge * 0x9E3779B97F4A7C15u) ^ (pre * 0xC2B2AE3D27D4EB4Fu);
  x = (x ^ x >> 32) * 0xD6E8FEB86659FD93u;
  x = (x ^ x >> 32) * 0xD6E8FEB86659FD93u;
  return x ^ x >> 32;
}

// What mix() knows of rows: a piece for each delay and block, and for each kind what it calls the source of the first row.
struct Wires {
  size_t n_blocks, block_size, kinds;
  const uint8_t* table;
  const int32_t *post, *delay, *pre;
};

template <typename T>
bool mix(const Wires& wires, const T* target, const int64_t* length, size_t n_rows, size_t n_pieces, int64_t* edge, uint64_t* sum) {
  for (size_t row = 0; row < n_rows; ++row) {
    for (size_t piece = 0; piece < n_pieces; ++piece, target += *length++) {
      const size_t first = piece % wires.n_blocks * wires.block_size;
      const uint64_t delay = static_cast<uint32_t>(wires.delay[piece / wires.n_blocks]);
      for (int64_t k = 0; k < *length; ++k) {
        if (target[k] >= wires.block_size) return false;
        const size_t slot = first + target[k], kind = wires.table[slot];
        if (kind >= wires.kinds) continue;
        const auto pre = static_cast<uint32_t>(wires.pre[kind] + static_cast<int32_t>(row));
        sum[kind] += mixed(static_cast<uint64_t>(edge[kind]++), pre, static_cast<uint32_t>(wires.post[slot]), delay);
      }
    }
  }
  return true;
}

// Adds the edges of rows to sums over the edges of each kind: of which sources, of which targets, how late, and which in turn. `post`: the target at
// each slot; `pre`: for each kind, its number of the first of the sources; `edge`: how many edges each kind had before, which is brought up to date.
template <typename T>
nb::object wire(Column<T> target, Column<int64_t> length, size_t n_blocks, size_t block_size, Column<uint8_t> table, Column<int32_t> post,
                Column<int32_t> delay, Column<int32_t> pre, Scratch<int64_t> edge) {
  const size_t kinds = pre.size(), n_pieces = delay.size() * n_blocks, n_rows = n_pieces ? length.size() / n_pieces : 0;
  require_pieces(target.size(), length, n_blocks);
  require(table.size() == n_blocks * block_size && post.size() == table.size(), "tables have an entry for each sum");
  require(kinds <= kMostKinds && edge.size() == kinds && n_rows * n_pieces == length.size(), "kinds have a number of edges, and rows all their pieces");
  const Wires wires{n_blocks, block_size, kinds, table.data(), post.data(), delay.data(), pre.data()};
  std::unique_ptr<uint64_t[]> sum(new uint64_t[kinds]());
  bool right = true;
  {
    nb::gil_scoped_release release;
    right = mix(wires, target.data(), length.data(), n_rows, n_pieces, edge.data(), sum.get());
  }
  require(right, "edges lead to sums of their block");
  return made(std::move(sum), {kinds});
}

}  // namespace

void define_deal(nb::module_& m) {
  m.def("deal", &deal<uint16_t>, "Edges by the projection that a table names.");
  m.def("deal", &deal<uint32_t>, "Edges by the projection that a table names.");
  m.def("tally", &tally<uint16_t>, "Numbers of edges by the projection that a table names.");
  m.def("tally", &tally<uint32_t>, "Numbers of edges by the projection that a table names.");
  m.def("gather", &gather<uint16_t, uint32_t>, "Values of edges by the projection that a table names.");
  m.def("gather", &gather<uint16_t, uint64_t>, "Values of edges by the projection that a table names.");
  m.def("gather", &gather<uint32_t, uint32_t>, "Values of edges by the projection that a table names.");
  m.def("gather", &gather<uint32_t, uint64_t>, "Values of edges by the projection that a table names.");
  m.def("wire", &wire<uint16_t>, "Sums that say who is connected to whom.");
  m.def("wire", &wire<uint32_t>, "Sums that say who is connected to whom.");
}

}  // namespace neuro4d
