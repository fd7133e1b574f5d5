// The Python module: handlers as capsules, the instruction set in use, and what the Python side has to agree with.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "cpu.h"
#include "deliver.h"
#include "lif.h"
#include "lif_types.h"
#include "operands.h"

namespace nb = nanobind;

namespace {

// To be raised, here and in _native_load.py, with every change of operands, results, attributes or numbers of an enumeration: a
// module left over from another version is then refused instead of misunderstood.
constexpr int64_t kAbi = 2;

nb::capsule capsule(XLA_FFI_Error* (*handler)(XLA_FFI_CallFrame*)) {
  return nb::capsule(reinterpret_cast<void*>(handler));
}

nb::dict handlers() {
  nb::dict out;
  out["n4_deliver"] = capsule(neuro4d::n4_deliver);
  out["n4_lif_run"] = capsule(neuro4d::n4_lif_run);
  return out;
}

nb::dict manifest() {
  nb::dict limits, out;
  limits["ports"] = int64_t{neuro4d::kMostPorts};
  limits["batch_axes"] = int64_t{neuro4d::BatchShape::kMost};
  out["abi"] = int64_t{kAbi};
  out["limits"] = limits;
  return out;
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Handlers for XLA's CPU backend.";
  m.def("handlers", &handlers, "Name to capsule of every handler.");
  m.def("isa", [] { return std::string(neuro4d::isa_name(neuro4d::best_isa())); }, "The instruction set in use.");
  m.def("manifest", &manifest, "The number of the interface, and the limits of a call.");
}
