// Counts over tables of synapses: plain calls on NumPy arrays, for what is asked once per network and not in every step.
#pragma once

#include <nanobind/nanobind.h>

namespace neuro4d {

void define_tables(nanobind::module_& m);

}  // namespace neuro4d
