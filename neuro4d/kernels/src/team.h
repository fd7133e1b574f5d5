// Steps that follow each other, each made of blocks that are independent, shared between the calling thread and a pool.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace neuro4d {

namespace detail {

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ __volatile__("yield");
#endif
}

// Outlives the call: a member that the pool starts too late finds the last step done and touches nothing else.
//
// A block is claimed for one step at a time, so that nobody waits for a member that has not come, and a member that lags
// behind claims nothing. Whoever finishes the last block of a step closes it and opens the next one.
template <typename Work>
class Team {
 public:
  Team(int64_t n_steps, int64_t n_blocks, int64_t members, Work* work)
      : n_steps_(n_steps), n_blocks_(n_blocks), members_(members), work_(work), claims_(static_cast<size_t>(n_blocks)) {}

  void join() {
    const int64_t member = joined_.fetch_add(1);
    for (int64_t step = open_.load(std::memory_order_acquire); step < n_steps_;) {
      const int64_t mine = run_blocks(step, member);
      if (mine > 0 && done_.fetch_add(mine, std::memory_order_acq_rel) + mine == (step + 1) * n_blocks_) {
        const bool go_on = work_->close(step);
        open_.store(go_on ? step + 1 : n_steps_, std::memory_order_release);
      }
      step = wait_beyond(step);
    }
  }

 private:
  struct alignas(64) Claim {
    std::atomic<int64_t> next{0};  // the first step for which nobody has taken the block
  };

  int64_t run_blocks(int64_t step, int64_t member) {
    int64_t mine = 0;
    for (int64_t i = 0; i < n_blocks_; ++i) {
      // Two members come from the two ends, more of them begin at even distances: each meets the same blocks again.
      const int64_t block = members_ == 2 && member == 1 ? n_blocks_ - 1 - i : (member * n_blocks_ / members_ + i) % n_blocks_;
      std::atomic<int64_t>& next = claims_[static_cast<size_t>(block)].next;
      int64_t expected = step;
      if (next.load(std::memory_order_relaxed) != step || !next.compare_exchange_strong(expected, step + 1)) continue;
      work_->block(step, block);
      ++mine;
    }
    return mine;
  }

  int64_t wait_beyond(int64_t step) const {
    constexpr int kPatience = 4000;
    for (int spins = 0;; ++spins) {
      const int64_t now = open_.load(std::memory_order_acquire);
      if (now != step) return now;
      if (spins < kPatience) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

  const int64_t n_steps_, n_blocks_, members_;
  Work* const work_;
  std::vector<Claim> claims_;
  alignas(64) std::atomic<int64_t> open_{0};  // the step in work
  alignas(64) std::atomic<int64_t> done_{0};  // blocks of all steps
  std::atomic<int64_t> joined_{0};
};

}  // namespace detail

// For every step from 0 on: `work.block(step, block)` for all blocks, each by one of at most `members` threads, then
// `work.close(step)` by one of them; stops early where that returns false. Returns when all is done.
template <typename Pool, typename Work>
void run_steps(Pool& pool, int64_t n_steps, int64_t n_blocks, int64_t members, Work& work) {
  if (members < 2 || n_blocks < 2) {
    for (int64_t step = 0; step < n_steps; ++step) {
      for (int64_t block = 0; block < n_blocks; ++block) work.block(step, block);
      if (!work.close(step)) return;
    }
    return;
  }
  auto team = std::make_shared<detail::Team<Work>>(n_steps, n_blocks, members, &work);
  for (int64_t k = 1; k < members; ++k) pool.Schedule([team] { team->join(); });
  team->join();
}

}  // namespace neuro4d
