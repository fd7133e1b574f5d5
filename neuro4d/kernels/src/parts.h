// Every cell and receptor that runs natively: a new one is a file of its own and a line here. Included once per instruction set.
#pragma once

#include "cells/foreign.h"
#include "cells/izhikevich.h"
#include "cells/lif.h"
#include "cells/relay.h"
#include "receptors/alpha.h"
#include "receptors/exponential.h"
#include "receptors/instant.h"

// Their Python names; their numbers are their places here.
#define N4_CELLS(X) X("LIF", Lif) X("Izhikevich", Izhikevich) X("Relay", Relay) X("Foreign", Foreign)

#define N4_RECEPTORS(X)                                                                                     \
  X("ExpCurrent", ExpCurrent) X("ExpConductance", ExpConductance) X("AlphaCurrent", AlphaCurrent)           \
  X("AlphaConductance", AlphaConductance) X("Delta", Delta) X("PulseCurrent", PulseCurrent)

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

// Whether the variables of a cell are results that no step reads.
template <typename T, typename = void>
struct IsMade {
  static constexpr bool kValue = false;
};
template <typename T>
struct IsMade<T, decltype(void(T::kMade))> {
  static constexpr bool kValue = T::kMade;
};

}  // namespace N4_ISA
}  // namespace neuro4d
