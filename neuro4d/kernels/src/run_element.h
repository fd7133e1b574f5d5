// One element of a batch, described for the kernels.
#pragma once

#include <vector>

#include "run_call.h"

namespace neuro4d {

// A group, as all threads read it. The deliveries stand at the first step of the call.
struct GroupElement {
  GroupStep step;
  std::vector<PortStep> ports;
  std::vector<PoissonInput> poisson;
  std::vector<Extra> extras;
  std::vector<Delivery> deliveries;
  std::vector<LearningElement> learnings;  // one for each delivery; most learn nothing
  int32_t* ring_ids = nullptr;    // (depth, n), the group's own past
  int32_t* ring_count = nullptr;  // (depth,)
  int64_t depth = 0;
};

struct Element {
  std::vector<GroupElement> groups;
  uint32_t first_step = 0;
  int64_t n_steps = 0;
  bool learns = false;  // whether any synapses do
  bool apart = false;  // whether each group, of one block, can remember its spikes while others still make the same step
  int64_t round = 1;   // steps that all groups can make before they have to hear of each other; 1 if they are not apart
  double expected = 0;  // ns for one step
};

ffi::Error describe_element(const RunCall& call, int64_t b, Element* e);

// Writes the sorted ids of the neurons that fired in a step into the ring, where the steps after it find them. Neurons that are not
// stepped here are left to `n4_push`.
void remember(const GroupElement& e, uint32_t step, const uint32_t* words);

}  // namespace neuro4d
