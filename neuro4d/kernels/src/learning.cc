#include "learning.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <utility>

namespace neuro4d {

namespace {

using D = ffi::DataType;

// As many words as there are kept for one trace of a pathway: the others are not asked for.
int64_t number_of_trace(int64_t path, int64_t trace) { return path * kMostTraces + trace; }

using Factors = std::shared_ptr<const std::vector<float>>;

// Periods are as long as keeps both factors within e^-64 and e^64, and tables small.
int32_t period_bits(float rate) {
  int32_t bits = 0;
  while (bits < 14 && static_cast<float>(2u << bits) * rate <= 64.0f) ++bits;
  return bits;
}

// The factors of a rate. Those used last are kept: a call that makes one step has no time to make them anew.
Factors factors_of(float rate) {
  static std::mutex mutex;
  static std::deque<std::pair<float, Factors>> kept;
  const std::lock_guard<std::mutex> lock(mutex);
  for (const auto& one : kept) {
    if (one.first == rate) return one.second;
  }
  const size_t n = size_t{1} << period_bits(rate);
  std::vector<float> made(2 * n);
  for (size_t q = 0; q < n; ++q) {
    made[q] = static_cast<float>(std::exp(-static_cast<double>(rate) * static_cast<double>(q)));
    made[n + q] = static_cast<float>(std::exp(static_cast<double>(rate) * static_cast<double>(q)));
  }
  kept.emplace_back(rate, std::make_shared<const std::vector<float>>(std::move(made)));
  if (kept.size() > 32) kept.pop_front();
  return kept.back().second;
}

// What a rate needs, as long as `held` lives.
FadeTable fade_table(float rate, std::vector<Factors>* held) {
  const Factors factors = factors_of(rate);
  held->push_back(factors);
  const int32_t bits = period_bits(rate);
  return {factors->data(), factors->data() + factors->size() / 2, bits, rate * static_cast<float>(1u << bits), rate > 1e-6f};
}

}  // namespace

ffi::Error read_learning(CallBuffers* buffers, int64_t number, int64_t n_target, Synapses* synapses, LearnOperands* out) {
  if (out->rule >= manifest().n_rules) return bad(say("unknown rule", out->rule));
  if (synapses->kind != WeightKind::kEdge || synapses->weight.dtype != D::F32) return bad("synapses that learn have one float32 weight each");
  const RulePart& rule = manifest().rules[out->rule];
  const int64_t n_delays = synapses->delays.dims[0], n_source = synapses->start.dims[0];
  N4_TRY(buffers->read(N4_NAMES("learn.params", number), &out->params));
  N4_TRY(buffers->read(N4_NAMES("learn.rates", number), &out->rates));
  if (!has(out->params, D::F32, 1) || out->params.dims[0] != rule.n_params) return bad(say("parameters of a rule are float32,", rule.n_params));
  if (!has(out->rates, D::F32, 1) || out->rates.dims[0] != rule.n_pre + rule.n_post) return bad("rates of traces are float32, one for each");
  N4_TRY(buffers->carry(N4_NAMES("learn.heard", number), true, &out->heard));
  if (!has(out->heard, D::U32, 2) || out->heard.dims[0] != n_delays || out->heard.dims[1] != n_source) return bad("expected heard uint32 (D, n_source)");
  if (rule.n_post > 0) {
    N4_TRY(buffers->carry(N4_NAMES("learn.fired", number), true, &out->fired));
    if (!has(out->fired, D::U32, 1) || out->fired.dims[0] != n_target) return bad("expected fired uint32 (n_target,)");
  }
  if (rule.passing) {
    N4_TRY(buffers->read(N4_NAMES("learn.strength", number), &out->strength));
    if (!has(out->strength, D::F32, 1) || out->strength.dims[0] != synapses->weight.dims[0]) return bad("expected strength float32 (n_edges,)");
  }
  out->pre.resize(static_cast<size_t>(rule.n_pre));
  out->post.resize(static_cast<size_t>(rule.n_post));
  for (int64_t k = 0; k < rule.n_pre; ++k) {
    Operand& x = out->pre[static_cast<size_t>(k)];
    N4_TRY(buffers->carry(N4_NAMES("learn.pre", number_of_trace(number, k)), true, &x));
    if (!has(x, D::F32, 2) || x.dims[0] != n_delays || x.dims[1] != n_source) return bad("traces of arrivals are float32 (D, n_source)");
  }
  for (int64_t k = 0; k < rule.n_post; ++k) {
    Operand& x = out->post[static_cast<size_t>(k)];
    N4_TRY(buffers->carry(N4_NAMES("learn.post", number_of_trace(number, k)), true, &x));
    if (!has(x, D::F32, 1) || x.dims[0] != n_target) return bad("traces of targets are float32 (n_target,)");
  }
  return ffi::Error::Success();
}

void describe_learning(const LearnOperands& operands, const Delivery& x, const BatchShape& batch, int64_t b, int64_t n_target, int64_t n_ports, int64_t n_steps,
                       int64_t isa, uint32_t start, LearningElement* out) {
  const RulePart& rule = manifest().rules[operands.rule];
  Learning& l = out->learning;
  l.params = operands.params.at<float>(batch, b);
  l.rule = kernels(isa).learn[operands.rule].entry(l.params);
  const float* const rates = operands.rates.at<float>(batch, b);
  l.heard = const_cast<uint32_t*>(operands.heard.at<uint32_t>(batch, b));
  if (rule.n_post > 0) l.fired = const_cast<uint32_t*>(operands.fired.at<uint32_t>(batch, b));
  if (rule.passing) l.strength = operands.strength.at<float>(batch, b);
  l.weight = const_cast<float*>(static_cast<const float*>(x.weight));
  l.n_target = n_target;
  l.n_ports = n_ports;
  l.width = x.block_size / std::max<int64_t>(n_ports, 1);
  l.first_step = x.step;
  l.start = start;
  l.n_past = std::max(kRecent, std::min(n_steps, kMostPast));
  const size_t sums = static_cast<size_t>(x.n_blocks * x.block_size);
  out->recent.assign(sums * static_cast<size_t>(kRecent), 0);
  out->older.assign(sums * static_cast<size_t>(l.n_past - kRecent), 0);
  out->blocks.assign(static_cast<size_t>(x.n_blocks), BlockPast{});
  l.recent = out->recent.data();
  out->fresh.assign(sums * static_cast<size_t>(kRecent), 2.0f);
  l.fresh = out->fresh.data();
  l.fade = fade_table(rates[0], &out->factors);
  l.older = out->older.data();
  l.blocks = out->blocks.data();
  for (int64_t k = 0; k < rule.n_pre; ++k) {
    l.pre[k] = const_cast<float*>(operands.pre[static_cast<size_t>(k)].at<float>(batch, b));
    l.of_pre[k] = {rates[k], (operands.nearest_pre >> k & 1) != 0};
  }
  for (int64_t k = 0; k < rule.n_post; ++k) {
    l.post[k] = const_cast<float*>(operands.post[static_cast<size_t>(k)].at<float>(batch, b));
    l.of_post[k] = {rates[rule.n_pre + k], (operands.nearest_post >> k & 1) != 0};
    l.fade_post[k] = fade_table(rates[rule.n_pre + k], &out->factors);
    out->now[k].assign(sums, 0.0f);
    l.now[k] = out->now[k].data();
    if (rule.post_sees_post) {
      out->at_spike[k].assign(sums * static_cast<size_t>(l.n_past), 0.0f);
      l.at_spike[k] = out->at_spike[k].data();
    }
  }
}

}  // namespace neuro4d
