// Which edges of some rows belong to which projection: a plain call on NumPy arrays, made when a network is saved, restored or read.
#pragma once

#include <nanobind/nanobind.h>

namespace neuro4d {

void define_deal(nanobind::module_& m);

}  // namespace neuro4d
