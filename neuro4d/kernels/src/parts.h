// Every cell and receptor that runs natively: a new one is a file of its own and a line here. Included once per instruction set.
#pragma once

#include "cells/adex.h"
#include "cells/adlif.h"
#include "cells/alif.h"
#include "cells/eif.h"
#include "cells/foreign.h"
#include "cells/glif.h"
#include "cells/hodgkin_huxley.h"
#include "cells/izhikevich.h"
#include "cells/li.h"
#include "cells/lif.h"
#include "cells/poisson_neuron.h"
#include "cells/plif.h"
#include "cells/qif.h"
#include "cells/relay.h"
#include "cells/traub_miles.h"
#include "receptors/alpha.h"
#include "receptors/dual.h"
#include "receptors/exponential.h"
#include "receptors/gabab.h"
#include "receptors/instant.h"

// Their Python names; their numbers are their places here.
#define N4_CELLS(X)                 \
  X("LIF", Lif)                     \
  X("Izhikevich", Izhikevich)       \
  X("Relay", Relay)                 \
  X("Foreign", Foreign)             \
  X("PoissonNeuron", PoissonNeuron) \
  X("EIF", Eif)                     \
  X("AdEx", AdEx)                   \
  X("QIF", Qif)                     \
  X("ALIF", Alif)                   \
  X("AdLIF", AdLif)                 \
  X("PLIF", Plif)                   \
  X("LI", Li)                       \
  X("TraubMiles", TraubMiles)       \
  X("HodgkinHuxley", HodgkinHuxley) \
  X("GLIF", Glif)

#define N4_RECEPTORS(X)                                                                                     \
  X("ExpCurrent", ExpCurrent) X("ExpConductance", ExpConductance) X("AlphaCurrent", AlphaCurrent)           \
  X("AlphaConductance", AlphaConductance) X("Delta", Delta) X("PulseCurrent", PulseCurrent)                       \
  X("DualExpCurrent", DualExpCurrent) X("DualExpConductance", DualExpConductance) X("NMDA", Nmda)           \
  X("GABAB", Gabab)

// Pairs of a cell and a receptor that get a pass of their own over up to three such receptors: those of networks that matter. All others
// go from loop to loop through the first cache: a fifth slower in COBA (0.037 s per biological second against 0.031, on AVX-512).
#define N4_PASSES(X)                                                                                      \
  X(Lif, ExpCurrent) X(Lif, ExpConductance) X(Lif, AlphaCurrent) X(Lif, AlphaConductance) X(Lif, Delta)   \
  X(Izhikevich, ExpConductance) X(Izhikevich, PulseCurrent) X(Relay, Delta)                               \
  X(AdEx, ExpCurrent) X(AdEx, ExpConductance)

namespace neuro4d {
namespace N4_ISA {

// The names of parameters and variables, or none where a part has no such list.
template <typename T, typename = void>
struct ParamsOf {
  static constexpr const Field* kFields = nullptr;
  static constexpr int64_t kN = 0;
};
template <typename T>
struct ParamsOf<T, decltype(void(T::kParams))> {
  static constexpr const Field* kFields = T::kParams;
  static constexpr int64_t kN = sizeof(T::kParams) / sizeof(Field);
};
template <typename T, typename = void>
struct StateOf {
  static constexpr const Field* kFields = nullptr;
  static constexpr int64_t kN = 0;
};
template <typename T>
struct StateOf<T, decltype(void(T::kState))> {
  static constexpr const Field* kFields = T::kState;
  static constexpr int64_t kN = sizeof(T::kState) / sizeof(Field);
};

// Whether a receptor sees the potential (`kSeesV`), whether a cell takes random words (`kRandom`); not, where it does not say.
template <typename T, typename = void>
struct SeesV {
  static constexpr bool kIs = false;
};
template <typename T>
struct SeesV<T, decltype(void(T::kSeesV))> {
  static constexpr bool kIs = T::kSeesV;
};
template <typename T, typename = void>
struct TakesWords {
  static constexpr bool kIs = false;
};
template <typename T>
struct TakesWords<T, decltype(void(T::kRandom))> {
  static constexpr bool kIs = T::kRandom;
};

// Where the potential is among the variables of a cell, or -1.
template <typename T>
constexpr int64_t v_of() {
  for (int64_t k = 0; k < StateOf<T>::kN; ++k) {
    if (StateOf<T>::kFields[k].hash == name_hash("cell.v")) return k;
  }
  return -1;
}

// Whether the variables of a cell are results that no step reads.
template <typename T, typename = void>
struct IsMade {
  static constexpr bool kIs = false;
};
template <typename T>
struct IsMade<T, decltype(void(T::kMade))> {
  static constexpr bool kIs = T::kMade;
};

}  // namespace N4_ISA
}  // namespace neuro4d
