// Decoding of operands that may carry batch axes in front.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "names.h"
#include "types.h"
#include "xla/ffi/api/ffi.h"

namespace neuro4d {

namespace ffi = xla::ffi;

// The sizes of the batch axes around a call, outermost first. There are as many as `vmap`s: one or two, seldom more.
struct BatchShape {
  static constexpr int64_t kMost = 6;
  int64_t n = 0;
  int64_t size[kMost] = {};
  int64_t total = 1;
};

inline bool decode(ffi::Span<const int64_t> sizes, BatchShape* out) {
  if (sizes.size() > static_cast<size_t>(BatchShape::kMost)) return false;
  for (int64_t size : sizes) {
    if (size < 0) return false;
    out->size[out->n++] = size;
    out->total *= size;
  }
  return true;
}

// One operand. It has an axis for those batch axes over which it is mapped and is shared over the others, so a batch over
// states never repeats the synapses.
struct Operand {
  const char* data = nullptr;
  ffi::DataType dtype = ffi::DataType::INVALID;
  const int64_t* dims = nullptr;  // without batch axes
  int64_t rank = 0;               // without batch axes
  int64_t step[BatchShape::kMost] = {};  // bytes from one element of an axis to the next; 0 where shared

  // The operand of batch element b, counted with the innermost axis running fastest.
  template <typename T>
  const T* at(const BatchShape& batch, int64_t b) const {
    const char* p = data;
    for (int64_t i = batch.n - 1; i >= 0; --i) {
      p += (b % batch.size[i]) * step[i];
      b /= batch.size[i];
    }
    return reinterpret_cast<const T*>(p);
  }
};

// Bit i of `mapped` says whether the operand has an axis for batch axis i.
inline bool decode(const ffi::AnyBuffer& buffer, const BatchShape& batch, int64_t mapped, Operand* out) {
  const auto dims = buffer.dimensions();
  out->data = static_cast<const char*>(buffer.untyped_data());
  out->dtype = buffer.element_type();
  int64_t axes = 0;
  for (int64_t i = 0; i < batch.n; ++i) {
    if ((mapped >> i & 1) == 0) continue;
    if (axes >= static_cast<int64_t>(dims.size()) || dims[static_cast<size_t>(axes)] != batch.size[i]) return false;
    ++axes;
  }
  out->dims = dims.begin() + axes;
  out->rank = static_cast<int64_t>(dims.size()) - axes;
  int64_t stride = static_cast<int64_t>(ffi::ByteWidth(out->dtype));
  for (int64_t i = 0; i < out->rank; ++i) stride *= out->dims[i];
  for (int64_t i = batch.n - 1; i >= 0; --i) {
    if ((mapped >> i & 1) == 0) continue;
    out->step[i] = stride;
    stride *= batch.size[i];
  }
  return true;
}

inline std::string text_of(const Name& name) {
  return name.number < 0 ? std::string(name.text) : std::string(name.text) + " " + std::to_string(name.number);
}

inline ffi::Error bad(const std::string& text) { return ffi::Error::InvalidArgument("neuro4d: " + text); }

// Where names stand in a list of them. They are asked for nearly in the order in which they are given.
class Names {
 public:
  explicit Names(ffi::Span<const int64_t> hashes) : hashes_(hashes) {}

  // The place of a name, or the size of the list.
  size_t find(const Name& name) {
    const size_t n = hashes_.size();
    const uint64_t hash = name.hash();
    for (size_t tried = 0; tried < n; ++tried, at_ = at_ + 1 < n ? at_ + 1 : 0) {
      if (static_cast<uint64_t>(hashes_[at_]) == hash) {
        const size_t found = at_;
        at_ = at_ + 1 < n ? at_ + 1 : 0;
        ++asked_;
        return found;
      }
    }
    return n;
  }

  size_t size() const { return hashes_.size(); }
  bool all_asked() const { return asked_ == hashes_.size(); }

 private:
  ffi::Span<const int64_t> hashes_;
  size_t at_ = 0;
  size_t asked_ = 0;
};

// What every handler gets besides its own numbers.
struct CallAttributes {
  ffi::Span<const int64_t> names;    // of operands
  ffi::Span<const int64_t> results;  // of results
  ffi::Span<const int64_t> batch;    // sizes of the batch axes
  ffi::Span<const int64_t> mapped;   // one word for each operand
};

#define N4_TRY(expression)                                              \
  do {                                                                  \
    if (ffi::Error error = (expression); error.failure()) return error; \
  } while (0)

// The operands and results of a call, taken by name.
class CallBuffers {
 public:
  CallBuffers(ffi::RemainingArgs args, ffi::RemainingRets rets, const CallAttributes& attributes, const BatchShape& batch)
      : args_(args), rets_(rets), names_(attributes.names), results_(attributes.results), mapped_(attributes.mapped), batch_(batch) {}

  // An operand that is only read.
  ffi::Error read(const Name& name, Operand* out) {
    const size_t at = names_.find(name);
    if (at >= args_.size() || at >= mapped_.size()) return bad("operand " + text_of(name) + " is missing");
    const auto buffer = args_.get<ffi::AnyBuffer>(at);
    if (!buffer.has_value() || !decode(*buffer, batch_, mapped_[at], out)) {
      return bad("the shape of operand " + text_of(name) + " contradicts its batch axes");
    }
    return ffi::Error::Success();
  }

  // An operand that the call changes, or hands on: its result is the same memory; where XLA could not alias, a copy.
  ffi::Error carry(const Name& name, bool changed, Operand* out) {
    const size_t at = names_.find(name);
    if (at >= args_.size() || at >= mapped_.size()) return bad("operand " + text_of(name) + " is missing");
    const auto from = args_.get<ffi::AnyBuffer>(at);
    if (!from.has_value() || !decode(*from, batch_, mapped_[at], out)) {
      return bad("the shape of operand " + text_of(name) + " contradicts its batch axes");
    }
    if (changed && mapped_[at] != (int64_t{1} << batch_.n) - 1) return bad("operand " + text_of(name) + " needs every batch axis");
    size_t bytes = 0;
    char* to = nullptr;
    if (ffi::Error error = result(name, &to, &bytes); error.failure()) return error;
    if (bytes != from->size_bytes()) return bad("result " + text_of(name) + " differs in size from its operand");
    if (to != from->untyped_data()) std::memcpy(to, from->untyped_data(), bytes);
    out->data = to;
    return ffi::Error::Success();
  }

  // A result that is made.
  ffi::Error make(const Name& name, size_t bytes, char** out) {
    size_t found = 0;
    if (ffi::Error error = result(name, out, &found); error.failure()) return error;
    return found == bytes ? ffi::Error::Success() : bad("result " + text_of(name) + " has a wrong size");
  }

  // The same for an operand's worth of floats in every element.
  ffi::Error make(const Name& name, int64_t n, Operand* out) {
    char* data = nullptr;
    N4_TRY(make(name, static_cast<size_t>(batch_.total * n) * sizeof(float), &data));
    out->data = data;
    out->dtype = ffi::DataType::F32;
    int64_t stride = n * static_cast<int64_t>(sizeof(float));
    for (int64_t i = batch_.n - 1; i >= 0; --i) {
      out->step[i] = stride;
      stride *= batch_.size[i];
    }
    return ffi::Error::Success();
  }

  // To be asked at the end: whether the handler knows all that it was given.
  ffi::Error finish() const {
    const bool counts = names_.size() == args_.size() && mapped_.size() == args_.size() && results_.size() == rets_.size();
    return counts && names_.all_asked() && results_.all_asked() ? ffi::Error::Success() : bad("operands or results that this handler does not know");
  }

 private:
  ffi::Error result(const Name& name, char** out, size_t* bytes) {
    const size_t at = results_.find(name);
    if (at >= rets_.size()) return bad("result " + text_of(name) + " is missing");
    auto buffer = rets_.get<ffi::AnyBuffer>(at);
    if (!buffer.has_value()) return bad("result " + text_of(name) + " is missing");
    *out = static_cast<char*>((*buffer)->untyped_data());
    *bytes = (*buffer)->size_bytes();
    return ffi::Error::Success();
  }

  ffi::RemainingArgs args_;
  ffi::RemainingRets rets_;
  Names names_, results_;
  ffi::Span<const int64_t> mapped_;
  const BatchShape& batch_;
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
