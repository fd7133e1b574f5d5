// The Python module: handlers as capsules, the instruction set in use, and what the Python side has to agree with.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "collect.h"
#include "cpu.h"
#include "deal.h"
#include "deliver.h"
#include "events.h"
#include "operands.h"
#include "program.h"
#include "push.h"
#include "run.h"
#include "tables.h"

namespace nb = nanobind;

namespace {

// To be raised, here and in _native_load.py, with every change of operands, results, attributes or numbers of an enumeration: a
// module left over from another version is then refused instead of misunderstood.
constexpr int64_t kAbi = 11;

nb::capsule capsule(XLA_FFI_Error* (*handler)(XLA_FFI_CallFrame*)) {
  return nb::capsule(reinterpret_cast<void*>(handler));
}

nb::dict handlers() {
  nb::dict out;
  out["n4_deliver"] = capsule(neuro4d::n4_deliver);
  out["n4_run"] = capsule(neuro4d::n4_run);
  out["n4_push"] = capsule(neuro4d::n4_push);
  out["n4_collect"] = capsule(neuro4d::n4_collect);
  return out;
}

// Names of parameters and variables, without what sets them apart from those of other parts.
nb::list names(const neuro4d::Field* fields, int64_t n) {
  nb::list out;
  for (int64_t k = 0; k < n; ++k) out.append(std::string(fields[k].text).substr(std::string(fields[k].text).find('.') + 1));
  return out;
}

nb::list parts(const neuro4d::Part* all, int64_t n) {
  nb::list out;
  for (int64_t k = 0; k < n; ++k) {
    nb::dict part;
    part["name"] = std::string(all[k].name);
    part["params"] = names(all[k].params, all[k].n_params);
    part["state"] = names(all[k].state, all[k].n_state);
    part["made"] = all[k].made;
    out.append(part);
  }
  return out;
}

nb::list rules(const neuro4d::RulePart* all, int64_t n) {
  nb::list out;
  for (int64_t k = 0; k < n; ++k) {
    nb::dict rule;
    rule["name"] = std::string(all[k].name);
    rule["params"] = names(all[k].params, all[k].n_params);
    rule["pre"] = names(all[k].pre, all[k].n_pre);
    rule["post"] = names(all[k].post, all[k].n_post);
    out.append(rule);
  }
  return out;
}

template <size_t N>
nb::list texts(const char* const (&all)[N]) {
  nb::list out;
  for (const char* text : all) out.append(std::string(text));
  return out;
}

nb::dict manifest() {
  const neuro4d::Manifest& known = neuro4d::manifest();
  nb::dict limits, enumerations, out;
  out["cells"] = parts(known.cells, known.n_cells);
  out["receptors"] = parts(known.receptors, known.n_receptors);
  out["rules"] = rules(known.rules, known.n_rules);
  limits["ports"] = int64_t{neuro4d::kMostPorts};
  limits["batch_axes"] = int64_t{neuro4d::BatchShape::kMost};
  out["abi"] = int64_t{kAbi};
  out["limits"] = limits;
  enumerations["weight_kinds"] = texts(neuro4d::kWeightKinds);
  enumerations["isas"] = texts(neuro4d::kIsas);
  enumerations["extra_kinds"] = texts(neuro4d::kExtraKinds);
  out["enumerations"] = enumerations;
  return out;
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Handlers for XLA's CPU backend.";
  m.def("handlers", &handlers, "Name to capsule of every handler.");
  m.def("isa", [] { return std::string(neuro4d::isa_name(neuro4d::best_isa())); }, "The instruction set in use.");
  m.def("manifest", &manifest, "The number of the interface, and the limits of a call.");
  neuro4d::define_tables(m);
  neuro4d::define_deal(m);
  neuro4d::define_events(m);
}
