// The operands of pathways that learn, and what a call needs to keep of them.
#pragma once

#include <memory>
#include <vector>

#include "delivery.h"
#include "program.h"

namespace neuro4d {

// Static numbers of a pathway that learns: its rule, or -1, and bits of the traces in which the last spike alone counts.
struct LearnOperands {
  int64_t rule = -1;
  int64_t nearest_pre = 0, nearest_post = 0;
  Operand params, rates, heard, fired, strength;
  std::vector<Operand> pre, post;

  bool learns() const { return rule >= 0; }
};

// Reads what belongs to pathway `number`, whose synapses are known; its weights are changed.
ffi::Error read_learning(CallBuffers* buffers, int64_t number, int64_t n_target, Synapses* synapses, LearnOperands* out);

// A pathway that learns, for one element of a batch, with room for what blocks remember during a call.
struct LearningElement {
  Learning learning;
  std::vector<int32_t> recent, older;
  std::vector<float> fresh;
  std::vector<std::shared_ptr<const std::vector<float>>> factors;  // of periods: `fall`, then `rise`
  std::vector<float> at_spike[kMostTraces], now[kMostTraces];
  std::vector<BlockPast> blocks;
};

// `x` describes its synapses; a call makes `n_steps` steps from `x.step` on, of a trial that began at `start`.
void describe_learning(const LearnOperands& operands, const Delivery& x, const BatchShape& batch, int64_t b, int64_t n_target, int64_t n_ports, int64_t n_steps,
                       int64_t isa, uint32_t start, LearningElement* out);

}  // namespace neuro4d
