// The Python module: handlers as capsules, the instruction set in use, huge pages.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "cpu.h"
#include "deliver.h"
#include "lif.h"
#include "memory.h"

namespace nb = nanobind;

namespace {

nb::capsule capsule(XLA_FFI_Error* (*handler)(XLA_FFI_CallFrame*)) {
  return nb::capsule(reinterpret_cast<void*>(handler));
}

nb::dict handlers() {
  nb::dict out;
  out["n4_deliver"] = capsule(neuro4d::n4_deliver);
  out["n4_lif_run"] = capsule(neuro4d::n4_lif_run);
  return out;
}

bool advise_huge(nb::ndarray<nb::c_contig, nb::device::cpu> array, bool collapse) {
  return neuro4d::advise_huge(array.data(), array.nbytes(), collapse);
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Handlers for XLA's CPU backend.";
  m.def("handlers", &handlers, "Name to capsule of every handler.");
  m.def("isa", [] { return std::string(neuro4d::isa_name(neuro4d::best_isa())); }, "The instruction set in use.");
  m.def("advise_huge", &advise_huge, nb::arg("array"), nb::arg("collapse") = true,
        "Ask the system to back a C-contiguous array by huge pages; returns whether it accepted.");
}
