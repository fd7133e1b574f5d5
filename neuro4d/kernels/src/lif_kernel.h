// One step of one block of leaky integrate-and-fire neurons. Included once per instruction set, with N4_ISA naming it.
#include <cstdint>
#include <cstring>

#include "lif_loops.h"
#include "lif_types.h"
#include "poisson_kernel.h"
#include "simd.h"

namespace neuro4d {
namespace N4_ISA {

constexpr int64_t kFastPorts = 3;  // as many receptors of one kind share one pass

// A parameter for a run of neurons within one span: a single value, or one per neuron.
struct ParamRun {
  const float* data;
  bool same;
};

inline ParamRun values_of(const Param& p, int64_t span, int64_t first) {
  if (p.mode == Param::kNeuron) return {p.data + first, false};
  return {p.data + (p.mode == Param::kSpan ? span : 0), true};
}

inline const float* spread(const ParamRun& x, int64_t n, float* spare) {
  if (!x.same) return x.data;
  for (int64_t j = 0; j < n; ++j) spare[j] = x.data[0];
  return spare;
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

// PortSums of a port for the neurons from `first` on: at the end of the step and at its beginning.
struct PortSums {
  const float *late, *early;  // no early ones: null

  PortSums from(int64_t at) const { return {late + at, early == nullptr ? nullptr : early + at}; }
};

inline Columns columns_of(const LifPort& port, const PortSums& arrivals, int64_t span, int64_t first, int64_t n, bool* same, Scratch* w) {
  const ParamRun decay = values_of(port.decay, span, first), held = values_of(port.held, span, first);
  const ParamRun e_rev = port.kind == PortKind::kConductance ? values_of(port.e_rev, span, first) : decay;
  *same = decay.same && held.same && e_rev.same;
  if (*same) return {port.state + first, arrivals.early, arrivals.late, decay.data, held.data, e_rev.data};
  return {port.state + first,         arrivals.early,
          arrivals.late,              spread(decay, n, w->spare[0]),
          spread(held, n, w->spare[1]), spread(e_rev, n, w->spare[2])};
}

inline Membranes membranes_of(const LifStep& x, int64_t span, int64_t first, int64_t n, int32_t* fired, bool* same, Scratch* w) {
  const LifConstants& c = x.constants;
  const Param* params[7] = {&c.leak, &c.resistance, &c.rate, &c.g_leak, &c.v_rest, &c.v_th, &c.v_reset};
  ParamRun values[7];
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
inline void step_any(const LifStep& x, const PortSums* arrivals, const DriveColumns& d, int64_t span, int64_t first, int64_t n, int64_t at,
                     Scratch* w) {
  for (int64_t j = 0; j < n; ++j) {
    w->g[j] = 0.0f + d.g[j];
    w->i[j] = 0.0f + d.i[j];
    w->jump[j] = 0.0f + d.jump[j];
  }
  bool same;
  for (int64_t p = 0; p < x.n_ports; ++p) {
    const LifPort& port = x.ports[p];
    const PortSums here = arrivals[p].from(at);
    if (port.kind == PortKind::kDelta) {
      for (int64_t j = 0; j < n; ++j) w->jump[j] = w->jump[j] + here.late[j];
      continue;
    }
    const Columns c = columns_of(port, here, span, first, n, &same, w);
    const bool conductance = port.kind == PortKind::kConductance;
    auto run = conductance ? (same ? receive_run<true, true> : receive_run<false, true>)
                           : (same ? receive_run<true, false> : receive_run<false, false>);
    run(c, n, w->g, w->i);
  }
  const Membranes m = membranes_of(x, span, first, n, w->fired + at, &same, w);
  auto run = x.with_g ? (same ? fire_run<true, true> : fire_run<false, true>)
                      : (same ? fire_run<true, false> : fire_run<false, false>);
  run(m, n, w->g, w->i, w->jump);
}

using StepRun = void (*)(const Columns*, const Membranes&, int64_t, const DriveColumns&);

// The loop that was compiled for the receptors of a group, or none.
inline StepRun run_for(const LifStep& x) {
  if (x.n_ports < 1 || x.n_ports > kFastPorts) return nullptr;
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind == ExtraKind::kJump) return nullptr;
  }
  if (x.n_ports == 1 && x.ports[0].kind == PortKind::kDelta && !x.with_g) return step_run_jumps;
  for (int64_t p = 0; p < x.n_ports; ++p) {
    if (x.ports[p].kind != (x.with_g ? PortKind::kConductance : PortKind::kCurrent)) return nullptr;
  }
  static constexpr StepRun kRuns[2][kFastPorts] = {{step_run<1, false>, step_run<2, false>, step_run<3, false>},
                                                   {step_run<1, true>, step_run<2, true>, step_run<3, true>}};
  return kRuns[x.with_g ? 1 : 0][x.n_ports - 1];
}

// The neurons of one span. `arrivals` and `drive` begin with the piece, whose neuron `at` is neuron `first` of the group.
inline void step_span(const LifStep& x, const PortSums* arrivals, const DriveColumns& drive, StepRun run, int64_t span, int64_t first, int64_t n,
                      int64_t at, Scratch* w) {
  const DriveColumns here{drive.g + at, drive.i + at, drive.jump + at};
  Columns columns[kFastPorts];
  bool fast = run != nullptr;
  for (int64_t p = 0; fast && p < x.n_ports; ++p) {
    const PortSums in = arrivals[p].from(at);
    if (x.ports[p].kind == PortKind::kDelta) {
      columns[p] = {nullptr, in.early, in.late, nullptr, nullptr, nullptr};
    } else {
      columns[p] = columns_of(x.ports[p], in, span, first, n, &fast, w);
    }
  }
  if (fast) {
    const Membranes m = membranes_of(x, span, first, n, w->fired + at, &fast, w);
    if (fast) return run(columns, m, n, here);
  }
  step_any(x, arrivals, here, span, first, n, at, w);
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

// Bit i of word k is neuron 32 * k + i. Pieces begin at multiples of 32. The dead fire nothing.
inline void pack(const Piece& piece, int32_t* fired, const uint32_t* alive, uint32_t* words) {
  words += piece.first / 32;
  for (int64_t j = piece.n; j % 32 != 0; ++j) fired[j] = 0;
  for (int64_t j = 0; j < piece.n; j += 32) words[j / 32] = bits32(fired + j);
  if (alive == nullptr) return;
  for (int64_t j = 0; j < piece.n; j += 32) words[j / 32] &= alive[piece.first / 32 + j / 32];
}

// Where arrivals of a port lie, with those of stimuli added, except Poisson input. They are added in the room for the sums of this step.
inline PortSums arrivals_of(const LifStep& x, int64_t p, int64_t row, const Piece& piece, const float* zero) {
  const float* const early = x.early == nullptr ? nullptr : x.early + row;
  if (x.late == nullptr) return {zero, early};
  float* const late = x.late + row;
  for (int64_t e = 0; e < x.n_extras; ++e) {
    const Extra& extra = x.extras[e];
    if (extra.kind == ExtraKind::kArrival && extra.port == p) add_values(extra.value, piece.first, piece.n, late);
  }
  return {late, early};
}

// One kind of drive for a piece: the values of a stimulus where it is alone and has one per neuron, else a sum in `room`, made
// once where it is the same for all neurons.
inline const float* drive_of(const LifStep& x, ExtraKind kind, const Piece& piece, Scratch::CachedSum* room, const float* zero) {
  const Extra* only = nullptr;
  int64_t found = 0;
  bool each = false;
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind != kind) continue;
    only = &x.extras[e];
    each = each || only->value.mode == Param::kNeuron;
    ++found;
  }
  if (found == 0) return zero;
  if (found == 1 && each) return only->value.data + piece.first;
  if (room->done) return room->sum;
  std::memset(room->sum, 0, sizeof room->sum);
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind == kind) add_values(x.extras[e].value, piece.first, each ? piece.n : kPiece, room->sum);
  }
  room->done = !each;
  return room->sum;
}

inline void lif_block(const LifStep& x, int64_t block, Scratch* w) {
  PortSums arrivals[kMostPorts];
  const StepRun run = run_for(x);
  const int64_t low = block * x.width;
  const int64_t high = low + x.width < x.n ? low + x.width : x.n;
  for (int64_t k = 0; k < x.n_poisson; ++k) {
    const PoissonInput& input = x.poisson[k];
    add_poisson_input(x, input, Piece{low, high - low}, x.late + (block * x.n_ports + input.port) * x.width);
  }
  for (int64_t first = low; first < high; first += kPiece) {
    const Piece piece{first, high - first < kPiece ? high - first : kPiece};
    const DriveColumns drive{drive_of(x, ExtraKind::kConductance, piece, &w->drive[0], w->zero),
                      drive_of(x, ExtraKind::kCurrent, piece, &w->drive[1], w->zero),
                      drive_of(x, ExtraKind::kJump, piece, &w->drive[2], w->zero)};
    for (int64_t p = 0; p < x.n_ports; ++p) {
      const int64_t row = (block * x.n_ports + p) * x.width + (first - low);
      arrivals[p] = arrivals_of(x, p, row, piece, w->zero);
    }
    each_span(x, piece, [&](int64_t span, int64_t from, int64_t n) {
      step_span(x, arrivals, drive, run, span, from, n, from - first, w);
    });
    pack(piece, w->fired, x.alive, x.words);
  }
}

}  // namespace N4_ISA
}  // namespace neuro4d
