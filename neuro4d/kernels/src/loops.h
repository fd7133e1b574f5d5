// The loops over the neurons of one span: receptors, cells, and the common combinations of both in one pass. Included once per
// instruction set, with N4_ISA naming it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "parts.h"
#include "program.h"
#include "vectors.h"
#include "words.h"

namespace neuro4d {
namespace N4_ISA {

// The columns of a receptor for a run of neurons; `early` may be null.
struct PortColumns {
  const float* params[kMostParams];
  float* state[kMostState];
  const float *early, *late;
};

struct CellColumns {
  const float* params[kMostParams];
  float* state[kMostState];
  int32_t* fired;
  Address words;   // of a cell that takes random words
  uint32_t local;  // the number of the first neuron among them
};

// The drive of stimuli for the neurons of a run.
struct DriveColumns {
  const float *g, *i, *jump;
};

// What a loop uses of the columns is copied one by one: they were written just now, and a copy of the whole would wait for that.
template <class Receptor, bool kSame>
struct Receive {
  static constexpr int64_t kP = ParamsOf<Receptor>::kN, kS = StateOf<Receptor>::kN;
  using Variables = std::make_index_sequence<static_cast<std::size_t>(kS)>;

  N4_INLINE explicit Receive(const PortColumns& c) : early(c.early), late(c.late), params(c.params) {
    for (int64_t k = 0; k < kS; ++k) state[k] = c.state[k];
  }

  N4_INLINE void operator()(Lanes at, DriveSum* d) const {
    F p[kP > 0 ? kP : 1], s[kS > 0 ? kS : 1];
    params.at(at, p);
    load_state(state, at, s, Variables());
    if (early != nullptr) Receptor::early(p, s, get<F>(early, at));
    Receptor::receive(p, s, get<F>(late, at), d);
    store_state(state, at, s, Variables());
  }

  float* state[kS > 0 ? kS : 1];
  const float *early, *late;
  Params<kP, kSame> params;
};

template <class Cell, bool kSame, bool kG, bool kJump>
struct Fire {
  static constexpr int64_t kP = ParamsOf<Cell>::kN, kS = StateOf<Cell>::kN;
  using Variables = std::make_index_sequence<static_cast<std::size_t>(kS)>;

  N4_INLINE explicit Fire(const CellColumns& c) : fired(c.fired), words(c.words), local(c.local), params(c.params) {
    for (int64_t k = 0; k < kS; ++k) state[k] = c.state[k];
  }

  N4_INLINE void operator()(Lanes at, const DriveSum& d) const {
    F p[kP > 0 ? kP : 1], s[kS > 0 ? kS : 1];
    params.at(at, p);
    load_state(state, at, s, Variables());
    I spike;
    if constexpr (TakesWords<Cell>::kIs) {
      spike = Cell::template step<kG, kJump>(p, s, d.g, d.i, d.jump, words_of(local + static_cast<uint32_t>(at.j), words));
    } else {
      spike = Cell::template step<kG, kJump>(p, s, d.g, d.i, d.jump);
    }
    store_state(state, at, s, Variables());
    store(fired + at.j, spike);  // also lanes that are no neurons: there is room, and a whole vector is read faster
  }

  float* state[kS > 0 ? kS : 1];
  int32_t* fired;
  Address words;
  uint32_t local;
  Params<kP, kSame> params;
};

template <class Receptor, bool kSame>
void receive_run(const PortColumns& c, int64_t n, float* g, float* i, float* jump, const float* v) {
  const Receive<Receptor, kSame> receive(c);
  each_vector(n, [&](Lanes at) N4_INLINE_LAMBDA {
    DriveSum d{get<F>(g, at), get<F>(i, at), get<F>(jump, at), SeesV<Receptor>::kIs ? get<F>(v, at) : F{}};
    receive(at, &d);
    if (Receptor::kG) put(g, d.g, at);
    put(i, d.i, at);
    if (Receptor::kJump) put(jump, d.jump, at);
  });
}

template <class Cell, bool kSame, bool kG, bool kJump>
void fire_run(const CellColumns& c, int64_t n, const float* g, const float* i, const float* jump) {
  const Fire<Cell, kSame, kG, kJump> fire(c);
  each_vector(n, [&](Lanes at) N4_INLINE_LAMBDA { fire(at, {kG ? get<F>(g, at) : F{}, get<F>(i, at), kJump ? get<F>(jump, at) : F{}, F{}}); });
}

// Receptors of one kind and the cell in one pass, with the same parameters for all neurons of the run.
template <class Cell, class Receptor, std::size_t... P>
void pass_run(const PortColumns* c, const CellColumns& m, int64_t n, const DriveColumns& drive, std::index_sequence<P...>) {
  constexpr bool kG = Receptor::kG, kJump = Receptor::kJump;
  const Receive<Receptor, true> receptors[] = {Receive<Receptor, true>(c[P])...};
  const Fire<Cell, true, kG, kJump> fire(m);
  const DriveColumns d = drive;
  each_vector(n, [&](Lanes at) N4_INLINE_LAMBDA {
    DriveSum sum{kG ? from_zero(d.g, at) : F{}, from_zero(d.i, at), kJump ? splat(0.0f) : F{}, F{}};
    if constexpr (SeesV<Receptor>::kIs) sum.v = get<F>(m.state[v_of<Cell>()], at);
    (receptors[P](at, &sum), ...);
    fire(at, sum);
  });
}

using PassRun = void (*)(const PortColumns*, const CellColumns&, int64_t, const DriveColumns&);
using ReceiveRun = void (*)(const PortColumns&, int64_t, float*, float*, float*, const float*);
using FireRun = void (*)(const CellColumns&, int64_t, const float*, const float*, const float*);

template <class Cell, class Receptor, int kPorts>
void pass_of(const PortColumns* c, const CellColumns& m, int64_t n, const DriveColumns& d) {
  pass_run<Cell, Receptor>(c, m, n, d, std::make_index_sequence<kPorts>());
}

struct CellEntry {
  int64_t n_params, n_state, v_at;
  FireRun fire[2][2][2];  // [same][with g][with jumps]
};

struct ReceptorEntry {
  int64_t n_params, n_state;
  bool gives_g, gives_jump;
  ReceiveRun receive[2];  // [same]
};

template <class Cell>
constexpr CellEntry cell_entry() {
  return {ParamsOf<Cell>::kN,
          StateOf<Cell>::kN,
          v_of<Cell>(),
          {{{fire_run<Cell, false, false, false>, fire_run<Cell, false, false, true>},
            {fire_run<Cell, false, true, false>, fire_run<Cell, false, true, true>}},
           {{fire_run<Cell, true, false, false>, fire_run<Cell, true, false, true>},
            {fire_run<Cell, true, true, false>, fire_run<Cell, true, true, true>}}}};
}

template <class Receptor>
constexpr ReceptorEntry receptor_entry() {
  return {ParamsOf<Receptor>::kN, StateOf<Receptor>::kN, Receptor::kG, Receptor::kJump, {receive_run<Receptor, false>, receive_run<Receptor, true>}};
}

#define N4_ENTRY(name, type) cell_entry<type>(),
constexpr CellEntry kCells[] = {N4_CELLS(N4_ENTRY)};
#undef N4_ENTRY
#define N4_ENTRY(name, type) receptor_entry<type>(),
constexpr ReceptorEntry kReceptors[] = {N4_RECEPTORS(N4_ENTRY)};
#undef N4_ENTRY

// The number of a part among those of its kind.
#define N4_IS(name, type) std::is_same<type, Part>::value,
template <class Part>
constexpr int64_t number_of() {
  constexpr bool kIsCell[] = {N4_CELLS(N4_IS)}, kIsReceptor[] = {N4_RECEPTORS(N4_IS)};
  int64_t k = 0;
  for (const bool here : kIsCell) {
    if (here) return k;
    ++k;
  }
  k = 0;
  for (const bool here : kIsReceptor) {
    if (here) return k;
    ++k;
  }
  return -1;
}
#undef N4_IS

struct PassEntry {
  int64_t cell, receptor;
  PassRun runs[3];  // by the number of receptors
};

#define N4_ENTRY(Cell, Receptor) \
  {number_of<Cell>(), number_of<Receptor>(), {pass_of<Cell, Receptor, 1>, pass_of<Cell, Receptor, 2>, pass_of<Cell, Receptor, 3>}},
constexpr PassEntry kPasses[] = {N4_PASSES(N4_ENTRY)};
#undef N4_ENTRY

inline PassRun pass_for(int64_t cell, int64_t receptor, int64_t n_ports) {
  if (n_ports < 1 || n_ports > 3) return nullptr;
  for (const PassEntry& pass : kPasses) {
    if (pass.cell == cell && pass.receptor == receptor) return pass.runs[n_ports - 1];
  }
  return nullptr;
}

}  // namespace N4_ISA
}  // namespace neuro4d
