// Steps and neurons of the bits that are set: a plain call on NumPy arrays, made when recorded spikes become events.
#pragma once

#include <nanobind/nanobind.h>

namespace neuro4d {

void define_events(nanobind::module_& m);

}  // namespace neuro4d
