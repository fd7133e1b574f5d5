// Decoding of operands that may carry batch axes in front.
#pragma once

#include <cstdint>
#include <string>

#include "types.h"
#include "xla/ffi/api/ffi.h"

namespace neuro4d {

namespace ffi = xla::ffi;

// The sizes of the batch axes around a call, outermost first. There are as many as `vmap`s: one or two, seldom more.
struct Levels {
  static constexpr int64_t kMost = 6;
  int64_t n = 0;
  int64_t size[kMost] = {};
  int64_t batch = 1;
};

inline bool decode(ffi::Span<const int64_t> sizes, Levels* out) {
  if (sizes.size() > static_cast<size_t>(Levels::kMost)) return false;
  for (int64_t size : sizes) {
    if (size < 0) return false;
    out->size[out->n++] = size;
    out->batch *= size;
  }
  return true;
}

// One operand. It has an axis for those levels over which it is mapped and is shared over the others, so a batch over
// states never repeats the synapses.
struct Operand {
  const char* data = nullptr;
  ffi::DataType dtype = ffi::DataType::INVALID;
  const int64_t* dims = nullptr;  // without batch axes
  int64_t rank = 0;               // without batch axes
  int64_t step[Levels::kMost] = {};  // bytes from one element of a level to the next; 0 where shared

  // The operand of batch element b, counted with the innermost level running fastest.
  template <typename T>
  const T* at(const Levels& levels, int64_t b) const {
    const char* p = data;
    for (int64_t i = levels.n - 1; i >= 0; --i) {
      p += (b % levels.size[i]) * step[i];
      b /= levels.size[i];
    }
    return reinterpret_cast<const T*>(p);
  }
};

// Bit i of `mapped` says whether the operand has an axis for level i.
inline bool decode(const ffi::AnyBuffer& buffer, const Levels& levels, int64_t mapped, Operand* out) {
  const auto dims = buffer.dimensions();
  out->data = static_cast<const char*>(buffer.untyped_data());
  out->dtype = buffer.element_type();
  int64_t axes = 0;
  for (int64_t i = 0; i < levels.n; ++i) {
    if ((mapped >> i & 1) == 0) continue;
    if (axes >= static_cast<int64_t>(dims.size()) || dims[static_cast<size_t>(axes)] != levels.size[i]) return false;
    ++axes;
  }
  out->dims = dims.begin() + axes;
  out->rank = static_cast<int64_t>(dims.size()) - axes;
  int64_t stride = static_cast<int64_t>(ffi::ByteWidth(out->dtype));
  for (int64_t i = 0; i < out->rank; ++i) stride *= out->dims[i];
  for (int64_t i = levels.n - 1; i >= 0; --i) {
    if ((mapped >> i & 1) == 0) continue;
    out->step[i] = stride;
    stride *= levels.size[i];
  }
  return true;
}

// Takes the operands of a call one after the other.
class Reader {
 public:
  Reader(ffi::RemainingArgs args, ffi::Span<const int64_t> mapped, const Levels& levels)
      : args_(args), mapped_(mapped), levels_(levels) {}

  // The next operand; false if there is none or its shape contradicts its batch axes. `buffer` may be null.
  bool next(Operand* out, const void** data = nullptr, size_t* bytes = nullptr) {
    if (at_ >= args_.size() || at_ >= mapped_.size()) return false;
    const auto buffer = args_.get<ffi::AnyBuffer>(at_);
    if (!buffer.has_value() || !decode(*buffer, levels_, mapped_[at_], out)) return false;
    if (data != nullptr) *data = buffer->untyped_data();
    if (bytes != nullptr) *bytes = buffer->size_bytes();
    ++at_;
    return true;
  }

  bool everywhere() const { return mapped_[at_ - 1] == (int64_t{1} << levels_.n) - 1; }
  bool done() const { return at_ == args_.size() && at_ == mapped_.size(); }
  size_t at() const { return at_; }

 private:
  ffi::RemainingArgs args_;
  ffi::Span<const int64_t> mapped_;
  const Levels& levels_;
  size_t at_ = 0;
};

inline bool has(const Operand& x, ffi::DataType dtype, int64_t rank) { return x.dtype == dtype && x.rank == rank; }

inline bool storage_of(ffi::DataType dtype, Storage* out) {
  switch (dtype) {
    case ffi::DataType::F32:
      *out = Storage::kF32;
      return true;
    case ffi::DataType::F64:
      *out = Storage::kF64;
      return true;
    case ffi::DataType::F16:
      *out = Storage::kF16;
      return true;
    case ffi::DataType::BF16:
      *out = Storage::kBF16;
      return true;
    default:
      return false;
  }
}

}  // namespace neuro4d
