// One step of one block of one group, any cell, any receptors. Included once per instruction set, with N4_ISA naming it.
#include <cstdint>
#include <cstring>

#include "loops.h"
#include "noise.h"
#include "poisson_kernel.h"
#include "program.h"

namespace neuro4d {
namespace N4_ISA {

// Where the parameters of a cell or receptor lie for a run of neurons within one span; says whether each is a single value. Where some
// are and some are not, single values are spread over the run.
inline bool columns_of(const Param* params, int64_t n_params, int64_t span, int64_t first, int64_t n, Scratch* scratch, const float** out) {
  bool same = true;
  for (int64_t k = 0; k < n_params; ++k) {
    const Param& p = params[k];
    out[k] = p.data + (p.mode == Param::kNeuron ? first : p.mode == Param::kSpan ? span : 0);
    same = same && p.mode != Param::kNeuron;
  }
  if (same) return true;
  for (int64_t k = 0; k < n_params; ++k) {
    if (params[k].mode == Param::kNeuron) continue;
    const float value = *out[k];
    for (int64_t j = 0; j < n; ++j) scratch->spread[k][j] = value;
    out[k] = scratch->spread[k];
  }
  return false;
}

inline void add_values(const float* data, bool each, int64_t n, float* out) {
  if (each) {
    for (int64_t j = 0; j < n; ++j) out[j] = out[j] + data[j];
  } else {
    const float value = data[0];
    for (int64_t j = 0; j < n; ++j) out[j] = out[j] + value;
  }
}

inline const float* values_of(const GroupStep& x, const Extra& extra) { return extra.value.data + x.k * extra.per_step; }

// Where the neurons of a piece pass from one span to the next.
template <typename Body>
inline void each_span(const GroupStep& x, const Piece& piece, const Body& body) {
  int64_t span = 0;
  for (int64_t at = piece.first; at < piece.first + piece.n;) {
    while (span + 1 < x.n_spans && x.bounds[span + 1] <= at) ++span;
    int64_t end = piece.first + piece.n;
    if (span + 1 < x.n_spans && x.bounds[span + 1] < end) end = x.bounds[span + 1];
    body(span, at, end - at);
    at = end;
  }
}

// What arrives at a port, for the neurons from `first` on: at the end of the step and at its beginning.
struct PortSums {
  const float *late, *early;  // no early ones: null

  PortSums from(int64_t at) const { return {late + at, early == nullptr ? nullptr : early + at}; }
};

inline bool port_columns(const PortStep& port, const PortSums& sums, int64_t span, int64_t first, int64_t n, Scratch* scratch, PortColumns* out) {
  const ReceptorEntry& entry = kReceptors[port.receptor];
  for (int64_t k = 0; k < entry.n_state; ++k) out->state[k] = port.state[k] + first;
  out->early = sums.early;
  out->late = sums.late;
  return columns_of(port.params, entry.n_params, span, first, n, scratch, out->params);
}

inline bool cell_columns(const GroupStep& x, int64_t span, int64_t first, int64_t n, int32_t* fired, Scratch* scratch, CellColumns* out) {
  const CellEntry& entry = kCells[x.cell];
  for (int64_t k = 0; k < entry.n_state; ++k) out->state[k] = x.state[k] + first;
  out->fired = fired;
  out->words = {0, 0};
  out->local = 0;
  if (x.addresses != nullptr) {
    out->words = address_of({x.elapsed, {x.key[0], x.key[1]}}, x.addresses[span].a0, x.addresses[span].b0);
    out->local = static_cast<uint32_t>(first - x.bounds[span]);
  }
  return columns_of(x.params, entry.n_params, span, first, n, scratch, out->params);
}

// One receptor after the other, then the cells: any kinds, any parameters.
inline void step_any(const GroupStep& x, const PortSums* sums, const DriveColumns& d, int64_t span, int64_t first, int64_t n, int64_t at,
                     Scratch* w) {
  for (int64_t j = 0; j < n; ++j) {
    w->g[j] = 0.0f + d.g[j];
    w->i[j] = 0.0f + d.i[j];
    w->jump[j] = 0.0f + d.jump[j];
  }
  const int64_t v_at = kCells[x.cell].v_at;
  const float* const v = v_at < 0 ? nullptr : x.state[v_at] + first;
  for (int64_t p = 0; p < x.n_ports; ++p) {
    PortColumns columns;
    const bool same = port_columns(x.ports[p], sums[p].from(at), span, first, n, w, &columns);
    kReceptors[x.ports[p].receptor].receive[same](columns, n, w->g, w->i, w->jump, v);
  }
  CellColumns columns;
  const bool same = cell_columns(x, span, first, n, w->fired + at, w, &columns);
  kCells[x.cell].fire[same][x.with_g][x.with_jump](columns, n, w->g, w->i, w->jump);
}

// The pass that was compiled for the parts of a group, or none.
inline PassRun pass_of_group(const GroupStep& x) {
  if (x.n_ports < 1) return nullptr;
  for (int64_t p = 1; p < x.n_ports; ++p) {
    if (x.ports[p].receptor != x.ports[0].receptor) return nullptr;
  }
  const ReceptorEntry& gives = kReceptors[x.ports[0].receptor];  // a stimulus that gives more needs the other loops
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind == ExtraKind::kJump) return nullptr;
  }
  return gives.gives_g == x.with_g && gives.gives_jump == x.with_jump ? pass_for(x.cell, x.ports[0].receptor, x.n_ports) : nullptr;
}

// The neurons of one span. `sums` and `drive` begin with the piece, whose neuron `at` is neuron `first` of the group.
inline void step_span(const GroupStep& x, const PortSums* sums, const DriveColumns& drive, PassRun pass, int64_t span, int64_t first,
                      int64_t n, int64_t at, Scratch* w) {
  const DriveColumns here{drive.g + at, drive.i + at, drive.jump + at};
  if (pass != nullptr) {
    PortColumns columns[3];
    CellColumns cell;
    bool same = cell_columns(x, span, first, n, w->fired + at, w, &cell);
    for (int64_t p = 0; same && p < x.n_ports; ++p) same = port_columns(x.ports[p], sums[p].from(at), span, first, n, w, &columns[p]);
    if (same) return pass(columns, cell, n, here);
  }
  step_any(x, sums, here, span, first, n, at, w);
}

// 32 flags of 0 or -1 as bits.
inline uint32_t bits32(const int32_t* fired) {
#if defined(__AVX512F__)
  const uint32_t low = _mm512_movepi32_mask(same_bits<__m512i>(load<I>(fired)));
  return low | static_cast<uint32_t>(_mm512_movepi32_mask(same_bits<__m512i>(load<I>(fired + 16)))) << 16;
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
inline void pack(const Piece& piece, const int32_t* fired, const uint32_t* alive, uint32_t* words) {
  for (int64_t j = 0; j < piece.n; j += 32) {
    const int64_t at = (piece.first + j) / 32;
    uint32_t word = bits32(fired + j);
    if (piece.n - j < 32) word &= (1u << (piece.n - j)) - 1;  // what lies behind the last neuron means nothing
    if (alive != nullptr) word &= alive[at];
    words[at] = word;
  }
}

// Where arrivals of a port lie, with those of stimuli added, except Poisson input. They are added in the room for the sums of this step.
inline PortSums sums_of(const GroupStep& x, int64_t p, int64_t row, const Piece& piece, const float* zero) {
  const float* const early = x.early == nullptr ? nullptr : x.early + row;
  if (x.late == nullptr) return {zero, early};
  float* const late = x.late + row;
  for (int64_t e = 0; e < x.n_extras; ++e) {
    const Extra& extra = x.extras[e];
    if (extra.kind != ExtraKind::kArrival || extra.port != p) continue;
    const bool each = extra.value.mode == Param::kNeuron;
    add_values(values_of(x, extra) + (each ? piece.first : 0), each, piece.n, late);
  }
  return {late, early};
}

// One kind of drive for a piece: the values of a stimulus where it is alone and has one per neuron, else a sum in `room`, made
// once per call where it is the same for all neurons and steps.
inline const float* drive_of(const GroupStep& x, ExtraKind kind, const Piece& piece, Scratch::CachedSum* room, const float* zero) {
  const Extra* only = nullptr;
  int64_t found = 0;
  bool each = false, changes = false;
  const bool noisy = kind == ExtraKind::kCurrent && x.noisy;
  for (int64_t e = 0; e < x.n_extras; ++e) {
    if (x.extras[e].kind != kind) continue;
    only = &x.extras[e];
    each = each || only->value.mode == Param::kNeuron;
    changes = changes || only->per_step != 0;
    ++found;
  }
  if (found == 0 && !noisy) return zero;
  if (found == 1 && each && !noisy) return values_of(x, *only) + piece.first;
  if (room->done) return room->sum;
  // Values that are the same for all neurons are summed before the first that are not: one pass makes both.
  float same = 0.0f;
  bool begun = false;
  for (int64_t e = 0; e < x.n_extras; ++e) {
    const Extra& extra = x.extras[e];
    if (extra.kind != kind) continue;
    const bool own = extra.value.mode == Param::kNeuron;
    const float* const data = values_of(x, extra) + (own ? piece.first : 0);
    if (begun) {
      add_values(data, own, piece.n, room->sum);
    } else if (own) {
      for (int64_t j = 0; j < piece.n; ++j) room->sum[j] = same + data[j];
      begun = true;
    } else {
      same = same + data[0];
    }
  }
  for (int64_t j = 0; !begun && j < kPiece; ++j) room->sum[j] = same;
  for (int64_t e = 0; noisy && e < x.n_extras; ++e) {
    if (x.extras[e].noise()) add_noise({x.elapsed, {x.key[0], x.key[1]}}, x.extras[e], piece, room->sum);
  }
  room->done = !each && !changes && !noisy;
  return room->sum;
}

inline void step_block(const GroupStep& x, int64_t block, Scratch* w) {
  PortSums sums[kMostPorts];
  if (!w->kept->pass_known) {
    w->kept->pass = reinterpret_cast<void (*)()>(pass_of_group(x));
    w->kept->pass_known = true;
  }
  const PassRun pass = reinterpret_cast<PassRun>(w->kept->pass);
  const int64_t low = block * x.width;
  const int64_t high = low + x.width < x.n ? low + x.width : x.n;
  for (int64_t k = 0; k < x.n_poisson; ++k) {
    const PoissonInput& input = x.poisson[k];
    add_poisson_input({x.elapsed, {x.key[0], x.key[1]}}, input, Piece{low, high - low}, x.late + (block * x.n_ports + input.port) * x.width);
  }
  for (int64_t first = low; first < high; first += kPiece) {
    const Piece piece{first, high - first < kPiece ? high - first : kPiece};
    const DriveColumns drive{drive_of(x, ExtraKind::kConductance, piece, &w->kept->drive[0], w->zero),
                             drive_of(x, ExtraKind::kCurrent, piece, &w->kept->drive[1], w->zero),
                             drive_of(x, ExtraKind::kJump, piece, &w->kept->drive[2], w->zero)};
    for (int64_t p = 0; p < x.n_ports; ++p) {
      const int64_t row = (block * x.n_ports + p) * x.width + (first - low);
      sums[p] = sums_of(x, p, row, piece, w->zero);
    }
    each_span(x, piece, [&](int64_t span, int64_t from, int64_t n) {
      step_span(x, sums, drive, pass, span, from, n, from - first, w);
    });
    pack(piece, w->fired, x.alive, x.words);
  }
}

}  // namespace N4_ISA
}  // namespace neuro4d
