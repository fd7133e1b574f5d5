// Cells and receptors by the names of the manifest, and the room that a thread needs.
#pragma once

#include <cstring>
#include <initializer_list>

#include "program.h"

namespace n4_test {

// The number of a name among parts or fields; -1 if it is not there, which no test survives.
inline int64_t number_of(const neuro4d::Part* parts, int64_t n, const char* name) {
  for (int64_t k = 0; k < n; ++k) {
    if (std::strcmp(parts[k].name, name) == 0) return k;
  }
  return -1;
}

inline int64_t number_of(const neuro4d::Field* fields, int64_t n, const char* name) {
  for (int64_t k = 0; k < n; ++k) {
    if (std::strcmp(fields[k].text, name) == 0) return k;
  }
  return -1;
}

inline int64_t cell_number(const char* name) { return number_of(neuro4d::manifest().cells, neuro4d::manifest().n_cells, name); }

inline int64_t receptor_number(const char* name) {
  return number_of(neuro4d::manifest().receptors, neuro4d::manifest().n_receptors, name);
}

struct Variable {
  const char* name;
  float* data;
};

struct Value {
  const char* name;
  const float* data;
};

inline void fill(const neuro4d::Part& part, std::initializer_list<Variable> state, std::initializer_list<Value> params, float** states,
                 neuro4d::Param* values) {
  for (const Variable& x : state) states[number_of(part.state, part.n_state, x.name)] = x.data;
  for (const Value& x : params) values[number_of(part.params, part.n_params, x.name)].data = x.data;
}

// A receptor whose parameters are the same for all neurons.
inline neuro4d::PortStep receptor_of(const char* name, std::initializer_list<Variable> state, std::initializer_list<Value> params) {
  neuro4d::PortStep port;
  port.receptor = receptor_number(name);
  fill(neuro4d::manifest().receptors[port.receptor], state, params, port.state, port.params);
  return port;
}

// The same for the cell of a group.
inline void cell_of(const char* name, std::initializer_list<Variable> state, std::initializer_list<Value> params, neuro4d::GroupStep* x) {
  x->cell = cell_number(name);
  fill(neuro4d::manifest().cells[x->cell], state, params, x->state, x->params);
}

// What a thread owns while it steps one group.
class Room {
 public:
  neuro4d::Scratch* scratch() {
    scratch_.kept = &kept_;
    return &scratch_;
  }

 private:
  neuro4d::Scratch scratch_;
  neuro4d::Scratch::Kept kept_;
};

}  // namespace n4_test
