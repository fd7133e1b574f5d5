// One element of a batch, described for the kernels, and the clock by which its description moves on from step to step.
#pragma once

#include <vector>

#include "lif_call.h"

namespace neuro4d {

// What all threads read. The deliveries stand at the first step of the call.
struct Element {
  LifStep step;
  std::vector<LifPort> ports;
  std::vector<PoissonInput> poisson;
  std::vector<Extra> extras;
  std::vector<Delivery> deliveries;
  int32_t* ring_ids = nullptr;    // (depth, n), the group's own past
  int32_t* ring_count = nullptr;  // (depth,)
  int64_t depth = 0;
  uint32_t first_step = 0;
  int64_t n_steps = 0;
  double expected = 0;  // ns for one step
};

ffi::Error describe_element(const LifCall& call, int64_t b, Element* e);

// Writes the sorted ids of the neurons that fired in a step into the ring, where the steps after it find them.
void remember(const Element& e, uint32_t step, const uint32_t* words);

}  // namespace neuro4d
