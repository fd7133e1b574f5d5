// Synapses that learn, described for the translation units of each instruction set.
//
// Weights are brought up to date when a spike arrives at them, row by row, as delivery reads them: first by the spikes of their targets since
// then, each of which sees the trace of the source as it had faded by that time, then by the arrival. So memory is read in its order, and
// nothing but a short list of the last spikes of every target is read at random. When a call ends, one sweep brings all synapses up to date.
//
// A trace is kept as its last spike left it, with the step of that spike, and fades by one power when it is read. So the bits of a weight do
// not depend on when anybody looked.
//
// Nothing here may instantiate standard templates: see program.h.
#pragma once

#include <cstdint>

#include "types.h"

namespace neuro4d {

constexpr int64_t kMostTraces = 4;       // of arrivals, or of spikes of the target
constexpr int64_t kMostRuleParams = 16;
constexpr int64_t kMostPast = 16;        // spikes of a target that wait until all its synapses have seen them

// What the synapses of one block of targets have seen. Steps of a call count from 1.
struct BlockPast {
  int32_t swept = 0;  // up to the end of this step all synapses are up to date
  int32_t last = 0;   // the last step in which a target fired
  bool full = false;  // whether some target has no room for another spike
};

// One trace: how much it fades in a step, as a logarithm, and whether a spike sets it to 1 instead of adding 1.
struct TraceRule {
  float rate = 0;
  bool nearest = false;
};

// One pathway that learns, for one element of a batch. Blocks write nothing that other blocks read but at the end of a step.
struct Learning {
  int64_t rule = -1;
  const float* params = nullptr;
  TraceRule of_pre[kMostTraces], of_post[kMostTraces];
  float* pre[kMostTraces] = {};      // (n_delays, n_source)
  uint32_t* heard = nullptr;         // (n_delays, n_source): the step of the last arrival
  float* post[kMostTraces] = {};     // (n_target,)
  uint32_t* fired = nullptr;         // (n_target,): the step of the last spike
  float* weight = nullptr;           // (n_edges,)
  int64_t n_target = 0, width = 0, n_ports = 0;
  uint32_t first_step = 0;
  int64_t n_past = 1;                     // at most kMostPast
  int32_t* past = nullptr;                // (n_blocks, n_past, block_size): steps of the last spikes, the newest first; 0: none
  float* at_spike[kMostTraces] = {};      // the same for the traces that these spikes saw, or none
  float* now[kMostTraces] = {};           // (n_blocks, block_size): traces of the targets in the present step
  BlockPast* blocks = nullptr;            // (n_blocks,)

  // A step of the clock as one of the call. What lies very far back has faded.
  int32_t in_call(uint32_t step) const {
    const uint32_t age = first_step - 1 - step;  // of steps before the call; those within it wrap
    if (age < 0x80000000u) return age > 0x3FFFFFFFu ? -0x3FFFFFFF : -static_cast<int32_t>(age);
    return static_cast<int32_t>(step - first_step) + 1;
  }
};

using LearnRows = Failure (*)(const Delivery&, const Learning&, int64_t block, int32_t step);
using LearnSpikes = void (*)(const Delivery&, const Learning&, int64_t block, int32_t step, const uint32_t* words);
using LearnArrivals = void (*)(const Delivery&, const Learning&, int32_t step);

// What one rule does, for targets of 16 and of 32 bits.
struct LearnEntry {
  LearnRows sweep[2];    // brings all synapses of a block up to date
  LearnRows deliver[2];  // brings those up to date through which a spike arrives, and adds their weights to the sums
  LearnRows arrive[2];   // what an arrival does
  LearnSpikes fire;      // notes who fired in a step, before `arrive`
  LearnSpikes enter;     // lets the spikes of a step into the traces of the targets, after `arrive`
  LearnArrivals hear;    // lets the arrivals of a step into the traces of the sources, when all blocks have made it
};

}  // namespace neuro4d
