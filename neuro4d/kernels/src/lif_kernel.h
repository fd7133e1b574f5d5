// One step of one block of leaky integrate-and-fire neurons. Included once per instruction set, with N4_ISA naming it.
//
// The sums and products are those of `LIF.step`, `ExpCurrent.step`, `ExpConductance.step` and `Delta.step`, in their order.
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "lif_types.h"
#include "poisson_kernel.h"
#include "simd.h"

namespace neuro4d {
namespace N4_ISA {

constexpr int64_t kPiece = 512;    // neurons at a time: everything about them stays in the first cache
constexpr int64_t kFastPorts = 3;  // as many receptors of one kind share one pass

// Neurons of one piece.
struct Work {
  float g[kPiece];
  float i[kPiece];
  float jump[kPiece];
  int32_t fired[kPiece];
  float spare[8][kPiece];
  int32_t spare_hold[kPiece];
};

// A parameter for a run of neurons within one span: a single value, or one per neuron.
struct Values {
  const float* data;
  bool same;
};

inline Values values_of(const Param& p, int64_t span, int64_t first) {
  if (p.mode == Param::kNeuron) return {p.data + first, false};
  return {p.data + (p.mode == Param::kSpan ? span : 0), true};
}

inline const float* spread(const Values& x, int64_t n, float* spare) {
  if (!x.same) return x.data;
  for (int64_t j = 0; j < n; ++j) spare[j] = x.data[0];
  return spare;
}

// What acts on the neurons of a run: the sums of the drive, and the columns of one receptor.
struct Columns {
  float* state;
  const float *early, *arrivals, *decay, *held, *e_rev;
};

struct Membranes {
  const float *decay, *gain, *rate, *g_leak, *v_rest, *v_th, *v_reset;
  const int32_t* hold;
  float* v;
  int32_t *left, *fired;
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

template <bool Same>
inline F constant(const float* p, Lanes at) {
  return Same ? splat(*p) : get<F>(p, at);
}

// A receptor: its share of the drive, from the state at the beginning; then decay, then arrivals.
template <bool Same, bool Conductance>
inline void receive_one(const Columns& c, Lanes at, F* g, F* i) {
  const F s = get<F>(c.state, at) + get<F>(c.early, at);
  const F mean = s * constant<Same>(c.held, at);
  if (Conductance) {
    *g = *g + mean;
    *i = *i + mean * constant<Same>(c.e_rev, at);
  } else {
    *i = *i + mean;
  }
  put(c.state, s * constant<Same>(c.decay, at) + get<F>(c.arrivals, at), at);
}

// The membrane over a step in which the drive is held, then threshold, reset and hold.
template <bool Same, bool Conductance>
inline void fire_one(const Membranes& m, Lanes at, F g, F i, F jump) {
  const F before = get<F>(m.v, at), rest = constant<Same>(m.v_rest, at);
  F after;
  if (Conductance) {
    const F leak = constant<Same>(m.g_leak, at);
    const F total = leak + g;
    const F steady = (leak * rest + i) / total;
    after = steady + (before - steady) * exp_f32(-constant<Same>(m.rate, at) * total);
  } else {
    after = rest + (before - rest) * constant<Same>(m.decay, at) + constant<Same>(m.gain, at) * i;
  }
  const I left = get<I>(m.left, at), none = splat(0);
  const I free = equal(left, none);
  after = select(free, after + jump, before);
  const I spike = free & at_least(after, constant<Same>(m.v_th, at));
  const I hold = Same ? splat(*m.hold) : get<I>(m.hold, at);
  put(m.v, select(spike, constant<Same>(m.v_reset, at), after), at);
  put(m.left, select(spike, hold, select(above(left, none), left - splat(1), none)), at);
  put(m.fired, spike, at);
}

template <typename Body>
inline void each_vector(int64_t n, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(Lanes{j, kLanes});
  if (j < n) body(Lanes{j, n - j});
}

template <bool Same, bool Conductance>
void receive_run(const Columns& c, int64_t n, float* g, float* i) {
  const Columns columns = c;
  each_vector(n, [&](Lanes at) {
    F conductance = get<F>(g, at), current = get<F>(i, at);
    receive_one<Same, Conductance>(columns, at, &conductance, &current);
    put(g, conductance, at);
    put(i, current, at);
  });
}

template <bool Same, bool Conductance>
void fire_run(const Membranes& m, int64_t n, const float* g, const float* i, const float* jump) {
  const Membranes membranes = m;
  each_vector(n, [&](Lanes at) {
    fire_one<Same, Conductance>(membranes, at, get<F>(g, at), get<F>(i, at), get<F>(jump, at));
  });
}

// The common case in one pass: Ports receptors of one kind, the same constants for all neurons of the run.
template <int Ports, bool Conductance>
void step_run(const Columns* c, const Membranes& m, int64_t n, const float* g0, const float* i0) {
  const Membranes membranes = m;
  Columns columns[Ports];
  for (int p = 0; p < Ports; ++p) columns[p] = c[p];
  each_vector(n, [&](Lanes at) {
    F g = get<F>(g0, at), i = get<F>(i0, at);
    for (int p = 0; p < Ports; ++p) receive_one<true, Conductance>(columns[p], at, &g, &i);
    fire_one<true, Conductance>(membranes, at, g, i, splat(0.0f));
  });
}

inline void add_values(const Param& p, int64_t first, int64_t n, float* out) {
  const float* data = p.mode == Param::kNeuron ? p.data + first : p.data;
  if (p.mode == Param::kNeuron) {
    for (int64_t j = 0; j < n; ++j) out[j] = out[j] + data[j];
  } else {
    const float value = data[0];
    for (int64_t j = 0; j < n; ++j) out[j] = out[j] + value;
  }
}

// Where the neurons of a piece pass from one span to the next.
template <typename Body>
inline void each_span(const LifStep& x, const Piece& piece, const Body& body) {
  int64_t span = 0;
  for (int64_t at = piece.first; at < piece.first + piece.n;) {
    while (span + 1 < x.n_spans && x.bounds[span + 1] <= at) ++span;
    int64_t end = piece.first + piece.n;
    if (span + 1 < x.n_spans && x.bounds[span + 1] < end) end = x.bounds[span + 1];
    body(span, at, end - at);
    at = end;
  }
}

// Arrivals of a port for the neurons from `first` on: at the end of the step and at its beginning.
struct Arrivals {
  const float *late, *early;
};

inline Columns columns_of(const LifPort& port, const Arrivals& arrivals, int64_t span, int64_t first, int64_t n, bool* same, Work* w) {
  const Values decay = values_of(port.decay, span, first), held = values_of(port.held, span, first);
  const Values e_rev = port.kind == PortKind::kConductance ? values_of(port.e_rev, span, first) : decay;
  *same = decay.same && held.same && e_rev.same;
  if (*same) return {port.state + first, arrivals.early, arrivals.late, decay.data, held.data, e_rev.data};
  return {port.state + first,         arrivals.early,
          arrivals.late,              spread(decay, n, w->spare[0]),
          spread(held, n, w->spare[1]), spread(e_rev, n, w->spare[2])};
}

inline Membranes membranes_of(const LifStep& x, int64_t span, int64_t first, int64_t n, int32_t* fired, bool* same, Work* w) {
  const LifConstants& c = x.constants;
  const Param* params[7] = {&c.decay, &c.gain, &c.rate, &c.g_leak, &c.v_rest, &c.v_th, &c.v_reset};
  Values values[7];
  *same = c.hold_mode != Param::kNeuron;
  for (int k = 0; k < 7; ++k) {
    values[k] = values_of(*params[k], span, first);
    *same = *same && values[k].same;
  }
  const int32_t* hold = c.hold + (c.hold_mode == Param::kNeuron ? first : c.hold_mode == Param::kSpan ? span : 0);
  const float* data[7];
  for (int k = 0; k < 7; ++k) data[k] = *same ? values[k].data : spread(values[k], n, w->spare[k]);
  if (!*same && c.hold_mode != Param::kNeuron) {
    for (int64_t j = 0; j < n; ++j) w->spare_hold[j] = hold[0];
    hold = w->spare_hold;
  }
  return {data[0], data[1], data[2], data[3], data[4], data[5], data[6], hold, x.v + first, x.left + first, fired};
}

// One receptor after the other, then the membranes: any kinds, any constants.
inline void step_any(const LifStep& x, const Arrivals* arrivals, int64_t span, int64_t first, int64_t n, int64_t at, Work* w) {
  bool same;
  for (int64_t p = 0; p < x.n_ports; ++p) {
    const LifPort& port = x.ports[p];
    const Arrivals here{arrivals[p].late + at, arrivals[p].early + at};
    if (port.kind == PortKind::kDelta) {
      for (int64_t j = 0; j < n; ++j) w->jump[at + j] = w->jump[at + j] + here.late[j];
      continue;
    }
    const Columns c = columns_of(port, here, span, first, n, &same, w);
    const bool conductance = port.kind == PortKind::kConductance;
    auto run = conductance ? (same ? receive_run<true, true> : receive_run<false, true>)
                           : (same ? receive_run<true, false> : receive_run<false, false>);
    run(c, n, w->g + at, w->i + at);
  }
  const Membranes m = membranes_of(x, span, first, n, w->fired + at, &same, w);
  auto run = x.with_g ? (same ? fire_run<true, true> : fire_run<false, true>)
                      : (same ? fire_run<true, false> : fire_run<false, false>);
  run(m, n, w->g + at, w->i + at, w->jump + at);
}

// The neurons of one span, in one pass where a loop was compiled for their receptors.
inline void step_span(const LifStep& x, const Arrivals* arrivals, bool uniform, int64_t span, int64_t first, int64_t n, int64_t at, Work* w) {
  Columns columns[kFastPorts];
  bool fast = uniform;
  for (int64_t p = 0; fast && p < x.n_ports; ++p) {
    const Arrivals here{arrivals[p].late + at, arrivals[p].early + at};
    bool same;
    columns[p] = columns_of(x.ports[p], here, span, first, n, &same, w);
    fast = same;
  }
  if (fast) {
    const Membranes m = membranes_of(x, span, first, n, w->fired + at, &fast, w);
    if (fast) {
      using Run = void (*)(const Columns*, const Membranes&, int64_t, const float*, const float*);
      static constexpr Run kRuns[2][kFastPorts] = {{step_run<1, false>, step_run<2, false>, step_run<3, false>},
                                                   {step_run<1, true>, step_run<2, true>, step_run<3, true>}};
      kRuns[x.with_g ? 1 : 0][x.n_ports - 1](columns, m, n, w->g + at, w->i + at);
      return;
    }
  }
  step_any(x, arrivals, span, first, n, at, w);
}

// 32 flags of 0 or -1 as bits.
inline uint32_t bits32(const int32_t* fired) {
#if defined(__AVX512F__)
  const __m512i low = _mm512_loadu_si512(fired), high = _mm512_loadu_si512(fired + 16);
  return _mm512_test_epi32_mask(low, low) | (static_cast<uint32_t>(_mm512_test_epi32_mask(high, high)) << 16);
#elif defined(__AVX2__)
  uint32_t word = 0;
  for (int k = 0; k < 4; ++k) {
    const __m256i lanes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(fired + 8 * k));
    word |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes))) << (8 * k);
  }
  return word;
#else
  int32_t any = 0;
  for (int k = 0; k < 32; ++k) any |= fired[k];
  uint32_t word = 0;
  if (any != 0) {
    for (int k = 0; k < 32; ++k) word |= static_cast<uint32_t>(fired[k] & 1) << k;
  }
  return word;
#endif
}

// Bit i of word k is neuron 32 * k + i. Pieces begin at multiples of 32.
inline void pack(const Piece& piece, int32_t* fired, uint32_t* words) {
  words += piece.first / 32;
  for (int64_t j = piece.n; j % 32 != 0; ++j) fired[j] = 0;
  for (int64_t j = 0; j < piece.n; j += 32) words[j / 32] = bits32(fired + j);
}

// All receptors of the one kind that the membranes are integrated for, few enough, and no jumps.
inline bool one_kind(const LifStep& x) {
  if (x.n_ports < 1 || x.n_ports > kFastPorts) return false;
  for (int64_t p = 0; p < x.n_ports; ++p) {
    if (x.ports[p].kind != (x.with_g ? PortKind::kConductance : PortKind::kCurrent)) return false;
  }
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind == ExtraKind::kJump) return false;
  }
  return true;
}

// Where arrivals of a port lie, with those of stimuli added. They are added in the room for the sums of this step.
inline Arrivals arrivals_of(const LifStep& x, int64_t p, int64_t row, const Piece& piece, const float* zero) {
  if (x.late == nullptr) return {zero, x.early == nullptr ? zero : x.early + row};
  float* const late = x.late + row;
  for (int64_t k = 0; k < x.n_poisson; ++k) {
    if (x.poisson[k].port == p) add_poisson_input(x, x.poisson[k], piece, late);
  }
  for (int64_t e = 0; e < x.n_extras; ++e) {
    const Extra& extra = x.extras[e];
    if (extra.kind == ExtraKind::kArrival && extra.port == p) add_values(extra.value, piece.first, piece.n, late);
  }
  return {late, x.early == nullptr ? zero : x.early + row};
}

inline void add_drive(const LifStep& x, const Piece& piece, Work* w) {
  for (int64_t e = 0; e < x.n_extras; ++e) {
    const Extra& extra = x.extras[e];
    if (extra.kind == ExtraKind::kArrival) continue;
    float* out = extra.kind == ExtraKind::kCurrent ? w->i : extra.kind == ExtraKind::kConductance ? w->g : w->jump;
    add_values(extra.value, piece.first, piece.n, out);
  }
}

// Whether the drive of stimuli is the same for all pieces and left alone by the pass over them, so that it is laid out once.
inline bool drive_stays(const LifStep& x) {
  if (!one_kind(x) || x.constants.hold_mode == Param::kNeuron) return false;
  const LifConstants& c = x.constants;
  for (const Param* p : {&c.decay, &c.gain, &c.rate, &c.g_leak, &c.v_rest, &c.v_th, &c.v_reset}) {
    if (p->mode == Param::kNeuron) return false;
  }
  for (int64_t k = 0; k < x.n_ports; ++k) {
    const LifPort& port = x.ports[k];
    if (port.decay.mode == Param::kNeuron || port.held.mode == Param::kNeuron) return false;
    if (port.kind == PortKind::kConductance && port.e_rev.mode == Param::kNeuron) return false;
  }
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind != ExtraKind::kArrival && x.extras[e].value.mode == Param::kNeuron) return false;
  }
  return true;
}

inline void lif_block(const LifStep& x, int64_t block) {
  Work w;
  float zero[kPiece] = {};
  Arrivals arrivals[kMostPorts];
  const bool uniform = one_kind(x), stays = drive_stays(x);
  const int64_t low = block * x.width;
  const int64_t high = low + x.width < x.n ? low + x.width : x.n;
  for (int64_t first = low; first < high; first += kPiece) {
    const Piece piece{first, high - first < kPiece ? high - first : kPiece};
    if (first == low || !stays) {
      std::memset(w.i, 0, sizeof w.i);
      std::memset(w.g, 0, sizeof w.g);
      std::memset(w.jump, 0, sizeof w.jump);
      add_drive(x, first == low && stays ? Piece{first, kPiece} : piece, &w);
    }
    for (int64_t p = 0; p < x.n_ports; ++p) {
      const int64_t row = (block * x.n_ports + p) * x.width + (first - low);
      arrivals[p] = arrivals_of(x, p, row, piece, zero);
    }
    each_span(x, piece, [&](int64_t span, int64_t from, int64_t n) {
      step_span(x, arrivals, uniform, span, from, n, from - first, &w);
    });
    pack(piece, w.fired, x.words);
  }
}

}  // namespace N4_ISA
}  // namespace neuro4d
