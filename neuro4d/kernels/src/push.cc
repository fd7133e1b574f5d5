#include "push.h"

#include <cstring>

#include "cost.h"
#include "cpu.h"
#include "delivery.h"
#include "parallel.h"

namespace neuro4d {

namespace {

// 32 bytes, each 0 or 1, as bits, `n` of them if fewer are left. A product moves the lowest bits of eight bytes side by side.
uint32_t pack32(const uint8_t* fired, int64_t n) {
  uint8_t room[32] = {};
  if (n < 32) {
    std::memcpy(room, fired, static_cast<size_t>(n));
    fired = room;
  }
  uint32_t word = 0;
  for (int k = 0; k < 4; ++k) {
    uint64_t eight = 0;
    for (int j = 0; j < 8; ++j) eight |= static_cast<uint64_t>(fired[8 * k + j]) << (8 * j);
    word |= static_cast<uint32_t>(eight * 0x0102040810204080u >> 56) << (8 * k);
  }
  return word;
}

// The ids of those that fired, sorted, at the front of a row in which `count` ids stood and 0 behind them.
void push_row(const uint8_t* fired, int64_t n, int32_t* row, int32_t* count, uint32_t* words) {
  int32_t* out = row;
  for (int64_t k = 0; 32 * k < n; ++k) {
    uint32_t word = words[k] = pack32(fired + 32 * k, n - 32 * k);
    for (; word != 0; word &= word - 1) *out++ = static_cast<int32_t>(32 * k) + lowest_bit(word);
  }
  const int32_t before = *count;
  *count = static_cast<int32_t>(out - row);
  if (before > *count && before <= n) std::memset(out, 0, static_cast<size_t>(before - *count) * sizeof *out);
}

ffi::Error push(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Span<const int64_t> names,
                ffi::Span<const int64_t> results, ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> mapped) {
  constexpr double kPerNeuron = 0.1;
  BatchShape batch;
  Operand step, fired;
  Ring ring;
  char* words = nullptr;
  if (!decode(sizes, &batch)) return bad("more batch axes than served");
  CallBuffers buffers(args, rets, {names, results, sizes, mapped}, batch);
  N4_TRY(buffers.read(N4_NAME("step"), &step));
  N4_TRY(buffers.read(N4_NAME("fired"), &fired));
  N4_TRY(buffers.carry(N4_NAME("ring.ids"), true, &ring.ids));
  N4_TRY(buffers.carry(N4_NAME("ring.count"), true, &ring.count));
  N4_TRY(check(ring));
  if (!has(step, ffi::DataType::U32, 0)) return bad("expected a uint32 scalar as step");
  const int64_t n = ring.ids.dims[1], n_words = (n + 31) / 32;
  if (!has(fired, ffi::DataType::PRED, 1) || fired.dims[0] != n) return bad(say("expected a boolean for each neuron,", n));
  N4_TRY(buffers.make(N4_NAME("words"), static_cast<size_t>(batch.total * n_words) * 4, &words));
  N4_TRY(buffers.finish());
  auto one = [&](int64_t b) {
    const int64_t row = *step.at<uint32_t>(batch, b) & static_cast<uint32_t>(ring.ids.dims[0] - 1);
    push_row(fired.at<uint8_t>(batch, b), n, const_cast<int32_t*>(ring.ids.at<int32_t>(batch, b)) + row * n,
             const_cast<int32_t*>(ring.count.at<int32_t>(batch, b)) + row, reinterpret_cast<uint32_t*>(words) + b * n_words);
  };
  const double expected = kPerNeuron * static_cast<double>(n * batch.total);
  parallel_for(pool, batch.total, worth_sharing(expected) ? pool.num_threads() : 1, one);
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(n4_push, push,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("names")
                                  .Attr<ffi::Span<const int64_t>>("results")
                                  .Attr<ffi::Span<const int64_t>>("batch")
                                  .Attr<ffi::Span<const int64_t>>("mapped"));

}  // namespace neuro4d
