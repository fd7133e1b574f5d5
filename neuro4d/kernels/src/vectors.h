// Loops over neurons, a vector at a time. Included once per instruction set, with N4_ISA naming it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "simd.h"

namespace neuro4d {
namespace N4_ISA {

// Where a vector of neurons lies, and how many of its lanes are used.
struct Lanes {
  int64_t j;
  int64_t n;
};

template <typename V, typename T>
N4_INLINE V get(const T* p, Lanes at) {
  return at.n == kLanes ? load<V>(p + at.j) : load<V>(p + at.j, at.n);
}

template <typename V, typename T>
N4_INLINE void put(T* p, V x, Lanes at) {
  if (at.n == kLanes) {
    store(p + at.j, x);
  } else {
    store(p + at.j, x, at.n);
  }
}

template <typename Body>
N4_INLINE void each_vector(int64_t n, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(Lanes{j, kLanes});
  if (j < n) body(Lanes{j, n - j});
}

// A column of numbers: a parameter in a loop over neurons, read once where it is the same for all.
template <bool kSame>
struct Column {
  N4_INLINE explicit Column(const float* p) : each(p), all(kSame ? splat(*p) : F{}) {}
  N4_INLINE F operator()(Lanes at) const { return kSame ? all : get<F>(each, at); }

  const float* each;
  F all;
};

// The parameters of a run of neurons, in the order of the part's names. Written out by the compiler: a loop over them would keep
// them in memory.
template <bool kSame, std::size_t... K>
struct ParamsOver {
  N4_INLINE explicit ParamsOver(const float* const* columns) : column{Column<kSame>(columns[K])...} { (void)columns; }
  N4_INLINE void at(Lanes lanes, F* out) const {
    ((out[K] = column[K](lanes)), ...);
    (void)lanes;
    (void)out;
  }

  Column<kSame> column[sizeof...(K)];
};

template <bool kSame>
struct ParamsOver<kSame> {
  N4_INLINE explicit ParamsOver(const float* const*) {}
  N4_INLINE void at(Lanes, F*) const {}
};

template <bool kSame, std::size_t... K>
ParamsOver<kSame, K...> params_over(std::index_sequence<K...>);

template <int64_t kN, bool kSame>
using Params = decltype(params_over<kSame>(std::make_index_sequence<static_cast<std::size_t>(kN)>()));

template <std::size_t... K>
N4_INLINE void load_state(float* const* columns, Lanes at, F* out, std::index_sequence<K...>) {
  ((out[K] = get<F>(columns[K], at)), ...);
  (void)columns;
  (void)at;
  (void)out;
}

template <std::size_t... K>
N4_INLINE void store_state(float* const* columns, Lanes at, const F* in, std::index_sequence<K...>) {
  (put(columns[K], in[K], at), ...);
  (void)columns;
  (void)at;
  (void)in;
}

// What a receptor adds to, the drive of its neurons, and the potential at the beginning of the step for those that see it.
struct DriveSum {
  F g, i, jump, v;
};

// The drive of stimuli is added to 0, as elsewhere, so that its zeros have the same sign.
N4_INLINE F from_zero(const float* p, Lanes at) { return splat(0.0f) + get<F>(p, at); }

}  // namespace N4_ISA
}  // namespace neuro4d
