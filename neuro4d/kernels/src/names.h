// Names of operands and results as both sides of a call know them: a hash of the text, and a number where there are several.
#pragma once

#include <cstdint>
#include <type_traits>

namespace neuro4d {

// FNV-1a of the text, plus a large odd number times number + 1. `name_hash` in kernels/_call.py is the same.
constexpr uint64_t name_hash(const char* text) {
  uint64_t value = 0xCBF29CE484222325u;
  for (; *text != '\0'; ++text) value = (value ^ static_cast<unsigned char>(*text)) * 0x100000001B3u;
  return value;
}

struct Name {
  const char* text;
  uint64_t text_hash;
  int64_t number;  // -1: there is one only

  uint64_t hash() const { return text_hash + static_cast<uint64_t>(number + 1) * 0x9E3779B97F4A7C15u; }
};

}  // namespace neuro4d

// A name written as text, hashed when this is compiled.
#define N4_NAMES(text, number) \
  (::neuro4d::Name{text, ::std::integral_constant<::std::uint64_t, ::neuro4d::name_hash(text)>::value, number})
#define N4_NAME(text) N4_NAMES(text, -1)
