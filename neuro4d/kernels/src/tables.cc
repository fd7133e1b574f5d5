#include "tables.h"

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "columns.h"
#include "prefetch.h"

namespace nb = nanobind;

namespace neuro4d {

namespace {

// Rows of a table: those of row i are start[i] to start[i + 1] - 1.
size_t rows_of(const Column<int64_t>& start, size_t entries) {
  require(start.size() > 0 && start(0) == 0, "start begins with 0");
  const size_t n = start.size() - 1;
  bool right = true;
  for (size_t i = 0; i < n; ++i) right &= start(i) <= start(i + 1);
  require(right && start(n) == static_cast<int64_t>(entries), "start ascends to the number of entries");
  return n;
}

bool below(const int32_t* numbers, size_t n, size_t limit) {
  bool right = true;
  for (size_t k = 0; k < n; ++k) right &= static_cast<uint32_t>(numbers[k]) < limit;
  return right;
}

// Calls f(low, high) for ranges of rows that hold about as many entries each, one for each thread. What a row makes must not depend on others.
template <typename F>
void in_ranges(const int64_t* start, size_t n, int threads, const F& f) {
  constexpr int64_t kWorthIt = 1 << 18;
  const int64_t parts = std::max<int64_t>(std::min<int64_t>(threads, (start[n] - start[0]) / kWorthIt), 1);
  std::vector<std::thread> others;
  size_t low = 0;
  for (int64_t part = 1; part < parts; ++part) {
    const int64_t upto = start[0] + (start[n] - start[0]) / parts * part;
    const size_t high = static_cast<size_t>(std::lower_bound(start + low, start + n, upto) - start);
    try {
      others.emplace_back([&f, low, high] { f(low, high); });
    } catch (const std::system_error&) {  // no more threads here
      f(low, high);
    }
    low = high;
  }
  f(low, n);
  for (std::thread& other : others) other.join();
}

// Runs of equal cores along each row: where those of a row begin, the core of each, and how many synapses it has.
nb::tuple runs(Column<int64_t> start, Column<int32_t> place, Column<int32_t> core, int threads) {
  const size_t n = rows_of(start, place.size());
  require(below(place.data(), place.size(), core.size()), "places have a core");
  const int64_t* const first = start.data();
  const int32_t *const where = place.data(), *const of = core.data();
  std::unique_ptr<int64_t[]> begins(new int64_t[n + 1]);
  std::unique_ptr<int32_t[]> cores, synapses;
  size_t total = 0;
  {
    nb::gil_scoped_release release;
    in_ranges(first, n, threads, [&](size_t low, size_t high) {
      for (size_t i = low; i < high; ++i) {
        int64_t number = 0;
        int32_t last = -1;
        for (int64_t k = first[i]; k < first[i + 1]; ++k) {
          const int32_t now = of[where[k]];
          number += now != last;
          last = now;
        }
        begins[i + 1] = number;
      }
    });
    begins[0] = 0;
    for (size_t i = 0; i < n; ++i) begins[i + 1] += begins[i];
    total = static_cast<size_t>(begins[n]);
    cores.reset(new int32_t[total]);
    synapses.reset(new int32_t[total]);
    in_ranges(first, n, threads, [&](size_t low, size_t high) {
      for (size_t i = low; i < high; ++i) {
        int64_t at = begins[i] - 1;
        int32_t last = -1;
        for (int64_t k = first[i]; k < first[i + 1]; ++k) {
          const int32_t now = of[where[k]];
          if (now != last) {
            cores[++at] = last = now;
            synapses[at] = 0;
          }
          ++synapses[at];
        }
      }
    });
  }
  return nb::make_tuple(made(std::move(begins), {n + 1}), made(std::move(cores), {total}), made(std::move(synapses), {total}));
}

// How many cores other than its own each row of places reaches; `home` is the core of each row.
nb::object reached(Column<int64_t> start, Column<int32_t> place, Column<int32_t> core, Column<int32_t> home, int threads) {
  const size_t n = rows_of(start, place.size());
  require(below(place.data(), place.size(), core.size()) && home.size() == n, "places and rows have a core");
  const int64_t* const first = start.data();
  const int32_t *const where = place.data(), *const of = core.data(), *const own = home.data();
  std::unique_ptr<int64_t[]> found(new int64_t[n]);
  {
    nb::gil_scoped_release release;
    in_ranges(first, n, threads, [&](size_t low, size_t high) {
      for (size_t i = low; i < high; ++i) {
        int64_t number = 0;
        int32_t last = -1;
        for (int64_t k = first[i]; k < first[i + 1]; ++k) {
          const int32_t now = of[where[k]];
          number += now != last && now != own[i];
          last = now;
        }
        found[i] = number;
      }
    });
  }
  return made(std::move(found), {n});
}

// Rows whose places ascend are walked piece by piece, so that what is written at a time fits into a cache.
void scatter(const int64_t* first, size_t rows, const int32_t* where, const int64_t* begins, size_t low, size_t high, int64_t* free, int32_t* found) {
  constexpr int64_t kPiece = 1 << 20;
  std::vector<int64_t> at(first, first + rows);
  if (low > 0)
    for (size_t i = 0; i < rows; ++i)
      at[i] = std::lower_bound(where + first[i], where + first[i + 1], static_cast<int32_t>(low)) - where;
  while (low < high) {
    size_t end = static_cast<size_t>(std::upper_bound(begins + low, begins + high, begins[low] + kPiece) - begins);
    end = std::max(std::min(end - 1, high), low + 1);
    for (size_t i = 0; i < rows; ++i) {
      int64_t k = at[i];
      for (; k < first[i + 1] && where[k] < static_cast<int32_t>(end); ++k) found[free[where[k]]++] = static_cast<int32_t>(i);
      at[i] = k;
    }
    low = end;
  }
}

// The columns of a table by themselves: for each of `n`, the rows that name it, ascending, one as often as it does.
nb::tuple turned(Column<int64_t> start, Column<int32_t> place, size_t n, int threads) {
  const size_t rows = rows_of(start, place.size()), all = place.size();
  require(below(place.data(), all, n), "places are some of those there are");
  const int64_t* const first = start.data();
  const int32_t* const where = place.data();
  std::unique_ptr<int64_t[]> begins(new int64_t[n + 1]());
  std::unique_ptr<int32_t[]> found(new int32_t[all]);
  {
    nb::gil_scoped_release release;
    bool ascending = true;
    for (size_t i = 0; i < rows; ++i)
      for (int64_t k = first[i]; k < first[i + 1]; ++k) {
        ++begins[where[k] + 1];
        ascending &= k == first[i] || where[k - 1] <= where[k];
      }
    for (size_t j = 0; j < n; ++j) begins[j + 1] += begins[j];
    std::vector<int64_t> free(begins.get(), begins.get() + n);
    if (ascending) {
      in_ranges(begins.get(), n, threads, [&](size_t low, size_t high) { scatter(first, rows, where, begins.get(), low, high, free.data(), found.get()); });
    } else {
      for (size_t i = 0; i < rows; ++i)
        for (int64_t k = first[i]; k < first[i + 1]; ++k) found[free[where[k]]++] = static_cast<int32_t>(i);
    }
  }
  return nb::make_tuple(made(std::move(begins), {n + 1}), made(std::move(found), {all}));
}

// What a core takes. A limit that is not known is the largest number there is.
struct Limits {
  int64_t neurons, axons_in, memory, own;
  double axons_out;
};

// Cuts neurons low to end - 1 into stretches that fit, each as long as it can be, `most` of them at most. Ends early where a neuron does not
// fit by itself. `number` and `core` hold, for each source, how many synapses it has on the core that `core` names.
nb::tuple fill(Column<int64_t> start, Column<int32_t> source, Column<int64_t> more, Column<double> leaving, Scratch<int32_t> number, Scratch<int32_t> core,
               int32_t now, int64_t low, int64_t end, int64_t most, nb::tuple limits) {
  const Limits limit{nb::cast<int64_t>(limits[0]), nb::cast<int64_t>(limits[1]), nb::cast<int64_t>(limits[2]), nb::cast<int64_t>(limits[3]),
                     nb::cast<double>(limits[4])};
  const int64_t n = static_cast<int64_t>(start.size()) - 1;
  require(0 <= low && low <= end && end <= n && static_cast<int64_t>(leaving.size()) == n + 1, "neurons are some of those of the table");
  require(0 <= start(low) && start(low) <= start(end) && start(end) <= static_cast<int64_t>(source.size()), "entries are some of those of the table");
  require(number.size() == core.size(), "sources have a number and a core");
  const int64_t *const first = start.data(), *const price = more.data();
  const int32_t* const from = source.data();
  const double* const sent = leaving.data();
  int32_t *const count = number.data(), *const seen_on = core.data();
  const size_t sources = number.size(), prices = more.size();
  std::vector<int64_t> ends;
  {
    nb::gil_scoped_release release;
    int64_t begin = low, at = low, axons = 0, memory = 0;
    ++now;
    while (at < end) {
      int64_t a = axons, m = memory + limit.own;
      for (int64_t k = first[at]; k < first[at + 1]; ++k) {
        const size_t s = static_cast<size_t>(from[k]);
        if (s >= sources) throw nb::value_error("sources are neurons");
        const size_t seen = seen_on[s] == now ? static_cast<size_t>(count[s]) : 0;
        if (seen >= prices) throw nb::value_error("a source has more synapses than there are prices for");
        a += seen == 0;
        m += price[seen];
        count[s] = static_cast<int32_t>(seen) + 1;
        seen_on[s] = now;
      }
      const bool fits = at - begin < limit.neurons && a <= limit.axons_in && m <= limit.memory &&
                        (at == begin || sent[at + 1] - sent[begin] <= limit.axons_out);
      if (fits) {
        axons = a;
        memory = m;
        ++at;
        continue;
      }
      if (at == begin) break;
      ends.push_back(at);
      if (static_cast<int64_t>(ends.size()) == most) break;
      begin = at;
      axons = memory = 0;
      ++now;
    }
    if (at == end && static_cast<int64_t>(ends.size()) < most) ends.push_back(end);
  }
  return nb::make_tuple(ends, now);
}

// Whether each row names the core of its own neuron.
nb::object stays(Column<int64_t> start, Column<int32_t> core, Column<int32_t> home, int threads) {
  const size_t n = rows_of(start, core.size());
  require(home.size() == n, "neurons have a core");
  const int64_t* const first = start.data();
  const int32_t *const to = core.data(), *const own = home.data();
  std::unique_ptr<bool[]> found(new bool[n]);
  {
    nb::gil_scoped_release release;
    in_ranges(first, n, threads, [&](size_t low, size_t high) {
      for (size_t i = low; i < high; ++i) {
        bool there = false;
        for (int64_t k = first[i]; k < first[i + 1]; ++k) there |= to[k] == own[i];
        found[i] = there;
      }
    });
  }
  return made(std::move(found), {n});
}

// Entries that name each core, and the sum of their prices.
nb::tuple stored(Column<int32_t> core, Column<int32_t> synapses, Column<int64_t> bits, size_t cores) {
  require(core.size() == synapses.size(), "entries have synapses");
  require(below(core.data(), core.size(), cores) && below(synapses.data(), synapses.size(), bits.size()), "entries name cores, and prices are known");
  const int32_t *const to = core.data(), *const number = synapses.data();
  const int64_t* const price = bits.data();
  const size_t all = core.size();
  std::unique_ptr<int64_t[]> entries(new int64_t[cores]()), sum(new int64_t[cores]());
  {
    nb::gil_scoped_release release;
    for (size_t k = 0; k < all; ++k) {
      ++entries[to[k]];
      sum[to[k]] += price[number[k]];
    }
  }
  return nb::make_tuple(made(std::move(entries), {cores}), made(std::move(sum), {cores}));
}

// For each row, the sum of differences between the coordinate of its own core and of those that it names, for each of several coordinates.
nb::object apart(Column<int64_t> start, Column<int32_t> core, Column<int32_t> home, Rows<int16_t> axes, int threads) {
  const size_t n = rows_of(start, core.size()), count = axes.shape(0), cores = axes.shape(1);
  require(home.size() == n && below(home.data(), n, cores) && below(core.data(), core.size(), cores), "cores have coordinates");
  const int64_t* const first = start.data();
  const int32_t *const to = core.data(), *const own = home.data();
  std::unique_ptr<int64_t[]> found(new int64_t[count * n]);
  {
    nb::gil_scoped_release release;
    in_ranges(first, n, threads, [&](size_t low, size_t high) {
      for (size_t axis = 0; axis < count; ++axis) {
        const int16_t* const x = axes.data() + axis * cores;
        for (size_t i = low; i < high; ++i) {
          const int32_t here = x[own[i]];
          int64_t sum = 0;
          for (int64_t k = first[i]; k < first[i + 1]; ++k) sum += std::abs(here - x[to[k]]);
          found[axis * n + i] = sum;
        }
      }
    });
  }
  return made(std::move(found), {count, n});
}

// Columns low to high - 1 of what arrives. Sums of a column stay with one thread, and rows add in their order.
void arrive(const int64_t* first, size_t n, const int32_t* to, const float* number, const double* sent, size_t wide, size_t low, size_t high,
            double* events, double* messages) {
  constexpr int64_t kAhead = 8;
  const int64_t all = first[n];
  std::vector<double> from(high - low);
  for (size_t i = 0; i < n; ++i) {
    bool any = false;
    for (size_t j = low; j < high; ++j) any |= (from[j - low] = sent[i * wide + j]) != 0;
    if (!any) continue;  // sums of what is not negative: nothing changes
    for (int64_t k = first[i]; k < first[i + 1]; ++k) {
      if (k + kAhead < all) {
        N4_PREFETCH(events + to[k + kAhead] * wide + low);
        N4_PREFETCH(messages + to[k + kAhead] * wide + low);
      }
      const double weight = static_cast<double>(number[k]);
      double *const event = events + to[k] * wide + low, *const message = messages + to[k] * wide + low;
      for (size_t j = 0; j < high - low; ++j) {
        event[j] += weight * from[j];
        message[j] += from[j];
      }
    }
  }
}

// For each core, sums over the rows that name it, of their numbers and of their numbers times synapses.
nb::tuple arriving(Column<int64_t> start, Column<int32_t> core, Column<float> synapses, Rows<double> sent, size_t cores, int threads) {
  const size_t n = rows_of(start, core.size()), wide = sent.shape(1);
  require(sent.shape(0) == n && synapses.size() == core.size() && below(core.data(), core.size(), cores), "entries name cores, and neurons send");
  const int64_t* const first = start.data();
  std::unique_ptr<double[]> events(new double[cores * wide]()), messages(new double[cores * wide]());
  {
    nb::gil_scoped_release release;
    std::vector<int64_t> columns(wide + 1);
    for (size_t j = 0; j <= wide; ++j) columns[j] = static_cast<int64_t>(j) * first[n];
    in_ranges(columns.data(), wide, threads, [&](size_t low, size_t high) {
      if (low < high) arrive(first, n, core.data(), synapses.data(), sent.data(), wide, low, high, events.get(), messages.get());
    });
  }
  return nb::make_tuple(made(std::move(events), {cores, wide}), made(std::move(messages), {cores, wide}));
}

}  // namespace

void define_tables(nb::module_& m) {
  m.def("runs", &runs, "Runs of equal cores along rows of places.");
  m.def("reached", &reached, "How many other cores rows of places reach.");
  m.def("turned", &turned, "Rows by the places that they name.");
  m.def("fill", &fill, "Stretches of neurons that fit on a core.");
  m.def("stays", &stays, "Whether rows name the core of their own neuron.");
  m.def("stored", &stored, "Entries on cores, and their prices.");
  m.def("apart", &apart, "Sums of distances along coordinates.");
  m.def("arriving", &arriving, "Sums of what arrives at cores.");
}

}  // namespace neuro4d
