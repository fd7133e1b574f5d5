// NumPy arrays as arguments and results of plain calls.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <initializer_list>
#include <memory>

namespace neuro4d {

template <typename T>
using Column = nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
template <typename T>
using Rows = nanobind::ndarray<const T, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;
// What a call writes over.
template <typename T>
using Scratch = nanobind::ndarray<T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

template <typename T>
nanobind::object made(std::unique_ptr<T[]> numbers, std::initializer_list<size_t> shape) {
  T* const data = numbers.release();
  nanobind::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nanobind::cast(nanobind::ndarray<nanobind::numpy, T>(data, shape, owner));
}

inline void require(bool right, const char* what) {
  if (!right) throw nanobind::value_error(what);
}

}  // namespace neuro4d
