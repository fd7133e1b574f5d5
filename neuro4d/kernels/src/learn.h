// Synapses that learn, described for the translation units of each instruction set.
//
// Weights are brought up to date when a spike arrives at them, row by row, as delivery reads them: first by the spikes of their targets since
// then, each of which sees the trace of the source as it had faded by that time, then by the arrival. So memory is read in its order, and
// nothing but a short list of the last spikes of every target is read at random. When a call ends, one sweep brings all synapses up to date.
//
// A trace is kept as its last spike left it, with the step of that spike, and fades by one power when it is read. So the bits of a weight do
// not depend on when anybody looked. What is left of a trace of arrivals from step h at a spike of step s is made from a factor of h alone and
// one of s alone, e^(r h) e^(-r s), so that a synapse takes one multiplication and no exponential. Steps are counted within periods that are
// short enough for both to be normal numbers; between periods there is a third factor.
//
// Nothing here may instantiate standard templates: see program.h.
#pragma once

#include <cstdint>

#include "types.h"

namespace neuro4d {

constexpr int64_t kMostTraces = 4;       // of arrivals, or of spikes of the target
constexpr int64_t kMostRuleParams = 16;
constexpr int64_t kRecent = 4;           // last spikes of a target, which lie together
constexpr int64_t kMostPast = 16;        // spikes of a target that wait until all its synapses have seen them

// What the synapses of one block of targets have seen. Steps of a call count from 1.
struct BlockPast {
  uint32_t period = 0xFFFFFFFFu;  // the one in which the spikes fell that have a factor in `fresh`
  uint32_t now_period[kMostTraces] = {0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu};  // that of `now`
  int32_t swept = 0;  // up to the end of this step all synapses are up to date
  int32_t last = 0;   // the last step in which a target fired
  bool full = false;  // whether some target has no room for another spike
};

// One trace: how much it fades in a step, as a logarithm, and whether a spike sets it to 1 instead of adding 1.
struct TraceRule {
  float rate = 0;
  bool nearest = false;
};

// Factors of the steps of a period, 2^bits of them: `fall` e^(-r q), `rise` e^(r q); and r times the length of the period.
struct FadeTable {
  const float* fall = nullptr;
  const float* rise = nullptr;
  int32_t bits = 0;
  float whole = 0;
  bool ordered = true;  // whether each step has a smaller factor than the one before; not where nearly nothing fades

  uint32_t mask() const { return (1u << bits) - 1u; }
  uint32_t within(uint32_t elapsed) const { return elapsed & mask(); }
};

struct LearnEntry;

// One pathway that learns, for one element of a batch. Blocks write nothing that other blocks read but at the end of a step.
struct Learning {
  const LearnEntry* rule = nullptr;  // or none: most pathways learn nothing
  const float* params = nullptr;
  TraceRule of_pre[kMostTraces], of_post[kMostTraces];
  float* pre[kMostTraces] = {};      // (n_delays, n_source)
  uint32_t* heard = nullptr;         // (n_delays, n_source): the step of the last arrival
  float* post[kMostTraces] = {};     // (n_target,)
  uint32_t* fired = nullptr;         // (n_target,): the step of the last spike
  float* weight = nullptr;           // (n_edges,)
  const float* strength = nullptr;   // (n_edges,): of what a rule releases a share, or none
  int64_t n_target = 0, width = 0, n_ports = 0;
  uint32_t first_step = 0, start = 0;  // of the call, and of the trial: periods count from its beginning
  int64_t n_past = kRecent;               // kRecent to kMostPast
  int32_t* recent = nullptr;              // (n_blocks, block_size, kRecent): steps of the last spikes, the newest first; 0: none
  int32_t* older = nullptr;               // (n_blocks, n_past - kRecent, block_size): of those before
  FadeTable fade;                         // of the trace of arrivals that spikes of the target see
  float* fresh = nullptr;                 // (n_blocks, block_size, kRecent): factors of the last spikes of this period; 2: none
  float* at_spike[kMostTraces] = {};      // (n_blocks, n_past, block_size): the traces that these spikes saw, or none
  FadeTable fade_post[kMostTraces];       // of the traces of targets
  float* now[kMostTraces] = {};           // (n_blocks, block_size): traces of the targets, but for the factor of the present step
  BlockPast* blocks = nullptr;            // (n_blocks,)

  // Steps since the beginning of the trial, at a step of the call.
  uint32_t elapsed(int32_t step) const { return first_step - start + static_cast<uint32_t>(step - 1); }

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

// A rule, compiled for a few kinds of parameters.
struct LearnRule {
  int (*variant)(const float* params);
  LearnEntry variants[3];

  const LearnEntry* entry(const float* params) const { return &variants[variant(params)]; }
};

}  // namespace neuro4d
