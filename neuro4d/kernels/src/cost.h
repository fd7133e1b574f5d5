// When threads pay: every number that decides about them, with what it was measured on. In nanoseconds, on two cores of an AMD EPYC
// (family 25) with AVX-512; they decide about speed only, never about results.
#pragma once

#include <cstdint>

namespace neuro4d {
namespace cost {

// Waking a second thread and waiting for it takes about 5 us; below this much work one thread is done before.
constexpr double kShare = 12e3;

// Threads of a team that runs already meet in about 1 us: with less work per step they wait longer than they save.
constexpr double kMeeting = 2e3;

// Finding a row and asking memory for it, and adding one of its synapses where sums are in cache.
constexpr double kRow = 6.0;
constexpr double kEvent = 0.8;

// As many times longer takes a synapse that learns.
constexpr double kLearning = 5.0;

// A membrane; what each receptor and each Poisson input adds for every neuron.
constexpr double kNeuron = 0.6;
constexpr double kReceptor = 0.2;
constexpr double kPoisson = 1.0;

}  // namespace cost

inline bool worth_sharing(double nanoseconds) { return nanoseconds > cost::kShare; }

}  // namespace neuro4d
