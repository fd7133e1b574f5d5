// Every cell and receptor that runs natively: a new one is a file of its own and a line here. Included once per instruction set.
#pragma once

#include "cells/izhikevich.h"
#include "cells/lif.h"
#include "cells/relay.h"
#include "receptors/alpha.h"
#include "receptors/exponential.h"
#include "receptors/instant.h"

// Their Python names; their numbers are their places here.
#define N4_CELLS(X) X("LIF", Lif) X("Izhikevich", Izhikevich) X("Relay", Relay)

#define N4_RECEPTORS(X)                                                                                     \
  X("ExpCurrent", ExpCurrent) X("ExpConductance", ExpConductance) X("AlphaCurrent", AlphaCurrent)           \
  X("AlphaConductance", AlphaConductance) X("Delta", Delta) X("PulseCurrent", PulseCurrent)

// Pairs of a cell and a receptor that get a pass of their own over up to three such receptors: those of networks that matter. All others
// go from loop to loop through the first cache, a third slower for a cell as small as LIF.
#define N4_PASSES(X)                                                                                      \
  X(Lif, ExpCurrent) X(Lif, ExpConductance) X(Lif, AlphaCurrent) X(Lif, AlphaConductance) X(Lif, Delta)   \
  X(Izhikevich, ExpConductance) X(Izhikevich, PulseCurrent) X(Relay, Delta)

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

}  // namespace N4_ISA
}  // namespace neuro4d
