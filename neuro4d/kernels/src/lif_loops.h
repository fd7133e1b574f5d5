// The loops over neurons of one span: receptors, membranes, and the common cases of both in one pass. Included once per
// instruction set, with N4_ISA naming it.
//
// The sums and products are those of `LIF.step`, `ExpCurrent.step`, `ExpConductance.step` and `Delta.step`, in their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "lif_types.h"
#include "simd.h"

namespace neuro4d {
namespace N4_ISA {

// What acts on the neurons of a run: the sums of the drive, and the columns of one receptor.
struct Columns {
  float* state;
  const float *early, *arrivals, *decay, *held, *e_rev;
};

struct Membranes {
  const float *leak, *resistance, *rate, *g_leak, *v_rest, *v_th, *v_reset;
  const int32_t* hold;
  float *v, *left;
  int32_t* fired;
};

// Where a vector of neurons lies, and how many of its lanes are used.
struct Lanes {
  int64_t j;
  int64_t n;
};

template <typename V, typename T>
inline V get(const T* p, Lanes at) {
  return at.n == kLanes ? load<V>(p + at.j) : load<V>(p + at.j, at.n);
}

template <typename V, typename T>
inline void put(T* p, V x, Lanes at) {
  if (at.n == kLanes) {
    store(p + at.j, x);
  } else {
    store(p + at.j, x, at.n);
  }
}

// A parameter in a loop over neurons: read once where it is the same for all.
template <bool Same>
struct Value {
  explicit Value(const float* p) : each(p), all(Same ? splat(*p) : F{}) {}
  F operator()(Lanes at) const { return Same ? all : get<F>(each, at); }

  const float* each;
  F all;
};

// A receptor: its share of the drive, from the state at the beginning; then decay, then arrivals.
template <bool Same, bool Conductance>
struct Receptor {
  explicit Receptor(const Columns& c) : columns(c), decay(c.decay), held(c.held), e_rev(c.e_rev) {}

  void operator()(Lanes at, F* g, F* i) const {
    F s = get<F>(columns.state, at);
    if (columns.early != nullptr) s = s + get<F>(columns.early, at);
    const F mean = s * held(at);
    if (Conductance) {
      *g = *g + mean;
      *i = *i + mean * e_rev(at);
    } else {
      *i = *i + mean;
    }
    put(columns.state, s * decay(at) + get<F>(columns.arrivals, at), at);
  }

  Columns columns;
  Value<Same> decay, held, e_rev;
};

// The membrane over a step in which the drive is held, then threshold, reset and hold.
template <bool Same, bool Conductance>
struct Membrane {
  explicit Membrane(const Membranes& x)
      : m(x), leak(m.leak), resistance(m.resistance), rate(m.rate), g_leak(m.g_leak), v_rest(m.v_rest), v_th(m.v_th),
        v_reset(m.v_reset), hold(Same ? floats_of(splat(*m.hold)) : F{}) {}

  void operator()(Lanes at, F g, F i) const {
    const F left = get<F>(m.left, at);
    move(at, g, i, left, left);
  }

  void operator()(Lanes at, F g, F i, F jump) const {
    const F left = get<F>(m.left, at);
    move(at, g, i, left, left + jump);
  }

  // `more`: by how much the potential moves beside the drive.
  void move(Lanes at, F g, F i, F left, F more) const {
    const F before = get<F>(m.v, at);
    F change = v_rest(at) - before;
    if (Conductance) {
      const F total = g_leak(at) + g;
      change = (g_leak(at) * change + (i - g * before)) / total * one_minus_exp_f32(-rate(at) * total);
    } else {
      change = leak(at) * (change + resistance(at) * i);
    }
    change = change + more;
    F after = before + change;
    const F over = change - (after - before);  // what rounding took from `after`: a compensated sum
    const I free = below(left, splat(0.5f));
    after = select(free, after, before);
    const I spike = free & at_least(after, v_th(at));
    put(m.v, select(spike, v_reset(at), after), at);
    const F steps = Same ? hold : floats_of(get<I>(m.hold, at));
    put(m.left, select(spike, steps, select(free, over, left - splat(1.0f))), at);
    put(m.fired, spike, at);
  }

  Membranes m;
  Value<Same> leak, resistance, rate, g_leak, v_rest, v_th, v_reset;
  F hold;
};

template <typename Body>
inline void each_vector(int64_t n, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(Lanes{j, kLanes});
  if (j < n) body(Lanes{j, n - j});
}

template <bool Same, bool Conductance>
void receive_run(const Columns& c, int64_t n, float* g, float* i) {
  const Receptor<Same, Conductance> receive(c);
  each_vector(n, [&](Lanes at) {
    F conductance = get<F>(g, at), current = get<F>(i, at);
    receive(at, &conductance, &current);
    put(g, conductance, at);
    put(i, current, at);
  });
}

template <bool Same, bool Conductance>
void fire_run(const Membranes& m, int64_t n, const float* g, const float* i, const float* jump) {
  const Membrane<Same, Conductance> fire(m);
  each_vector(n, [&](Lanes at) { fire(at, get<F>(g, at), get<F>(i, at), get<F>(jump, at)); });
}

// The drive of stimuli for the neurons of a piece.
struct DriveColumns {
  const float *g, *i, *jump;
};

// The drive of stimuli is added to 0, as elsewhere, so that its zeros have the same sign.
inline F from_zero(const float* p, Lanes at) { return splat(0.0f) + get<F>(p, at); }

// The common cases in one pass, with the same constants for all neurons of the run: some receptors of one kind, or one that makes
// the potential jump.
template <bool Conductance, std::size_t... P>
void step_ports(const Columns* c, const Membranes& m, int64_t n, const DriveColumns& d, std::index_sequence<P...>) {
  const Receptor<true, Conductance> receptors[] = {Receptor<true, Conductance>(c[P])...};
  const Membrane<true, Conductance> fire(m);
  const DriveColumns drive = d;
  each_vector(n, [&](Lanes at) {
    F g = Conductance ? from_zero(drive.g, at) : F{}, i = from_zero(drive.i, at);
    (receptors[P](at, &g, &i), ...);
    fire(at, g, i);
  });
}

template <int Ports, bool Conductance>
void step_run(const Columns* c, const Membranes& m, int64_t n, const DriveColumns& d) {
  step_ports<Conductance>(c, m, n, d, std::make_index_sequence<Ports>());
}

inline void step_run_jumps(const Columns* c, const Membranes& m, int64_t n, const DriveColumns& d) {
  const Membrane<true, false> fire(m);
  const DriveColumns drive = d;
  const float* const jump = c[0].arrivals;
  each_vector(n, [&](Lanes at) { fire(at, F{}, from_zero(drive.i, at), from_zero(jump, at)); });
}

}  // namespace N4_ISA
}  // namespace neuro4d
