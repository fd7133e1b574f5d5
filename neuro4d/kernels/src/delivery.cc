#include "delivery.h"

#include "prefetch.h"
#include "program.h"

namespace neuro4d {

ffi::Error check(const Ring& ring) {
  if (!has(ring.ids, ffi::DataType::S32, 2)) return bad("expected ring ids int32 (depth, n)");
  if (!has(ring.count, ffi::DataType::S32, 1)) return bad("expected ring count int32 (depth,)");
  const int64_t depth = ring.ids.dims[0];
  if (depth < 1 || (depth & (depth - 1)) != 0) return bad(say("the depth of a ring is a power of two; got", depth));
  if (ring.count.dims[0] != depth) return bad(say("ring count has another depth than ring ids:", ring.count.dims[0]));
  return ffi::Error::Success();
}

namespace {

ffi::Error check_weight(const Synapses& s) {
  if (s.kind == WeightKind::kOne) {
    if (s.weight.rank != 0) return bad(say("one weight for all is a scalar; got rank", s.weight.rank));
    return ffi::Error::Success();
  }
  if (s.weight.rank != 1) return bad(say("weights have one axis; got rank", s.weight.rank));
  const bool edge = s.kind == WeightKind::kEdge;
  const int64_t expected = edge ? s.targets.dims[0] : s.start.dims[0];
  if (s.weight.dims[0] != expected) {
    return bad(say(edge ? "one weight per edge expected," : "one weight per source expected,", expected) +
               say(" values; got", s.weight.dims[0]));
  }
  return ffi::Error::Success();
}

}  // namespace

ffi::Error check(const Synapses& s, int64_t n_blocks) {
  using D = ffi::DataType;
  if (!has(s.delays, D::S32, 1)) return bad("expected delays int32 (D,)");
  if (!has(s.start, D::U32, 2) || s.start.dims[1] != 2) return bad("expected start uint32 (n_source, 2)");
  if (!has(s.bounds, D::U32, 2)) return bad("expected bounds uint32 (n_source, D * n_blocks + 1)");
  if (s.targets.rank != 1) return bad("expected targets (n_edges,)");
  if (s.start.dims[0] != s.bounds.dims[0]) return bad("start and bounds must agree in sources");
  if (s.bounds.dims[1] != s.delays.dims[0] * n_blocks + 1) {
    return bad(say("a row needs D * n_blocks + 1 bounds,", s.delays.dims[0] * n_blocks + 1) + say("; got", s.bounds.dims[1]));
  }
  const int64_t words = s.some.rank == 2 ? s.some.dims[1] : 0;
  if (!has(s.some, D::U32, 2) || (s.some.dims[0] != 0 && (s.some.dims[0] != s.delays.dims[0] || words < 1 || (words & (words - 1)) != 0))) {
    return bad(say("expected as many words of bits for each delay as a power of two says, or no row at all; got", words));
  }
  return check_weight(s);
}

ffi::Error choose(const Synapses& s, ffi::DataType sums, int64_t isa, DeliverBlock* out) {
  using D = ffi::DataType;
  if (s.targets.dtype != D::U16 && s.targets.dtype != D::U32) return bad("targets are uint16 or uint32");
  if (sums != D::F32 && sums != D::F64) return bad("accumulators are float32 or float64");
  Storage storage;
  if (!storage_of(s.weight.dtype, &storage)) return bad("weights are float32, float64, float16 or bfloat16");
  *out = kernels(isa).deliver.at[s.targets.dtype == D::U32][sums == D::F64][static_cast<int>(storage)][static_cast<int>(s.kind)];
  if (*out == nullptr) return bad("float64 weights need float64 accumulators");
  return ffi::Error::Success();
}

ffi::Error read_synapses(CallBuffers* buffers, int64_t number, int64_t weight_kind, bool learn, Synapses* out) {
  if (weight_kind < 0 || weight_kind > 2) return bad(say("unknown kind of weight", weight_kind));
  out->kind = static_cast<WeightKind>(weight_kind);
  N4_TRY(buffers->read(N4_NAMES("path.delays", number), &out->delays));
  N4_TRY(buffers->read(N4_NAMES("path.start", number), &out->start));
  N4_TRY(buffers->read(N4_NAMES("path.bounds", number), &out->bounds));
  N4_TRY(buffers->read(N4_NAMES("path.some", number), &out->some));
  N4_TRY(buffers->read(N4_NAMES("path.targets", number), &out->targets));
  if (learn) return buffers->carry(N4_NAMES("path.weight", number), true, &out->weight);
  return buffers->read(N4_NAMES("path.weight", number), &out->weight);
}

Delivery describe(const Synapses& s, const Ring& ring, int64_t n_blocks, const BatchShape& batch, int64_t b) {
  Delivery x{};
  x.delays = s.delays.at<int32_t>(batch, b);
  x.ids = ring.ids.at<int32_t>(batch, b);
  x.count = ring.count.at<int32_t>(batch, b);
  x.start = s.start.at<uint32_t>(batch, b);
  x.bounds = s.bounds.at<uint32_t>(batch, b);
  if (s.some.dims[0] > 0) x.some = s.some.at<uint32_t>(batch, b);
  x.some_words = s.some.dims[1];
  x.targets = s.targets.at<char>(batch, b);
  x.weight = s.weight.at<char>(batch, b);
  x.n_delays = s.delays.dims[0];
  x.depth = ring.ids.dims[0];
  x.n_ids = ring.ids.dims[1];
  x.n_source = s.start.dims[0];
  x.n_blocks = n_blocks;
  x.n_edges = static_cast<uint64_t>(s.targets.dims[0]);
  return x;
}

namespace {

struct Range {
  int32_t low, high;
};

// The least and the greatest of at least one number. Without a way out, so that several are looked at together.
Range range_of(const int32_t* x, int64_t n) {
  Range r{x[0], x[0]};
  for (int64_t k = 0; k < n; ++k) {
    r.low = x[k] < r.low ? x[k] : r.low;
    r.high = x[k] > r.high ? x[k] : r.high;
  }
  return r;
}

// The pairs (delay, source) of a step that may have synapses: most have none. A few pairs at a time, first where their ids lie, then what
// is noted of them, so that no look-up waits for memory.
class Chosen {
 public:
  Chosen(const Delivery& x, std::vector<SpikeList>* room) : x_(x), room_(room) {}

  int64_t list() {
    for (int64_t d = 0; d < x_.n_delays; ++d) {
      const int64_t slot = (x_.step - static_cast<uint32_t>(x_.delays[d])) & static_cast<uint32_t>(x_.depth - 1);
      const int64_t count = x_.count[slot];
      const int32_t* const ids = x_.ids + slot * x_.n_ids;
      N4_PREFETCH(count > 0 ? ids : x_.count);
      pairs_[n_] = {ids, d};  // written whether they exist or not: few neurons fire in a step, and how many cannot be foreseen
      pairs_[n_ + 1] = {ids + 1, d};
      n_ += count < 2 ? count : 2;
      if (n_ >= kAtOnce) take();
      for (int64_t k = 2; k < count; ++k) {
        pairs_[n_++] = {ids + k, d};
        if (n_ >= kAtOnce) take();
      }
    }
    take();
    return found_;
  }

 private:
  static constexpr int64_t kAtOnce = 128;

  struct Pair {
    const int32_t* id;
    int64_t delay;
  };

  // Sources out of range are kept, to be refused where others are.
  void take() {
    const size_t enough = static_cast<size_t>(found_ + n_);
    if (room_->size() < enough) room_->resize(2 * enough);
    SpikeList* const out = room_->data();
    const uint32_t word = static_cast<uint32_t>(x_.some_words - 1), n_source = static_cast<uint32_t>(x_.n_source);
    for (int64_t i = 0; i < n_; ++i) {
      const uint32_t id = static_cast<uint32_t>(*pairs_[i].id);
      const uint32_t bit = x_.some[pairs_[i].delay * x_.some_words + (id / 32 & word)] >> id % 32 & 1u;
      if ((bit | (id >= n_source ? 1u : 0u)) != 0) out[found_++] = {pairs_[i].id, 1, pairs_[i].delay};
    }
    n_ = 0;
  }

  const Delivery& x_;
  std::vector<SpikeList>* const room_;
  int64_t n_ = 0, found_ = 0;
  Pair pairs_[kAtOnce + 2];
};

}  // namespace

ffi::Error check_ring(const Delivery& x) {
  const Range delays = x.n_delays > 0 ? range_of(x.delays, x.n_delays) : Range{1, 1};
  if (delays.low < 1 || delays.high > x.depth) {
    return bad(say("a delay lies between 1 and the depth of the ring,", x.depth) + say("; got", delays.low < 1 ? delays.low : delays.high));
  }
  const Range counts = range_of(x.count, x.depth);
  if (counts.low >= 0 && counts.high <= x.n_ids) return ffi::Error::Success();
  int64_t row = 0;
  while (x.count[row] >= 0 && x.count[row] <= x.n_ids) ++row;
  return bad(say("a count of spikes lies between 0 and", x.n_ids) + say("; got", x.count[row]) + say(" in ring row", row));
}

void list_arrivals(Delivery* x, std::vector<SpikeList>* room) {
  if (x->some != nullptr) {
    x->n_arrivals = x->n_spikes = Chosen(*x, room).list();
    x->arrivals = room->data();
    return;
  }
  room->resize(static_cast<size_t>(x->n_delays));
  SpikeList* out = room->data();
  x->n_spikes = 0;
  for (int64_t d = 0; d < x->n_delays; ++d) {
    const int64_t slot = (x->step - static_cast<uint32_t>(x->delays[d])) & static_cast<uint32_t>(x->depth - 1);
    const int64_t count = x->count[slot];
    *out = SpikeList{x->ids + slot * x->n_ids, count, d};
    out += count > 0 ? 1 : 0;
    x->n_spikes += count;
  }
  x->arrivals = room->data();
  x->n_arrivals = out - room->data();
}

ffi::Error explain(const Delivery& x, const Failure& f) {
  switch (f.wrong) {
    case Wrong::kSource:
      return bad(say("source index out of range: got", f.value) + say(" at delay", f.delay) +
                 say(", expected 0 <= index <", x.n_source));
    case Wrong::kSegment:
      return bad(say("row of source", f.source) + say(" at delay", f.delay) + say(" ends at edge", f.value) +
                 say(", there are", static_cast<int64_t>(x.n_edges)));
    case Wrong::kTarget:
      return bad(say("target index out of range: got", f.value) + say(" in the row of source", f.source) +
                 say(" at delay", f.delay) + say(", expected 0 <= index <", x.block_size));
    default:
      return ffi::Error::Success();
  }
}

double expected_nanoseconds(const Delivery& x) {
  const double rows = static_cast<double>(x.n_spikes);
  const double cells = static_cast<double>(x.n_source) * static_cast<double>(x.n_delays);
  const double events = cells > 0 ? static_cast<double>(x.n_edges) / cells : 0;
  return rows * (cost::kRow * static_cast<double>(x.n_blocks) + cost::kEvent * events);
}

}  // namespace neuro4d
