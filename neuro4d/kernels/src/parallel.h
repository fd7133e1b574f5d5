// Independent items shared between the calling thread and a pool that others use as well.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

namespace neuro4d {

namespace detail {

// Outlives the call: a task that the pool starts too late finds no ticket left and touches nothing else.
struct Share {
  Share(int64_t n, void (*run)(void*, int64_t), void* data) : total(n), run_item(run), context(data) {}

  const int64_t total;
  void (*const run_item)(void*, int64_t);
  void* const context;
  std::atomic<int64_t> tickets{0};
  std::atomic<int64_t> from_the_end{0};
  std::atomic<int64_t> active{0};

  void help() {
    active.fetch_add(1);
    while (tickets.fetch_add(1) < total) run_item(context, total - 1 - from_the_end.fetch_add(1));
    active.fetch_sub(1);
  }
};

}  // namespace detail

// Runs `item(i)` for every i in [0, n). The caller works from the front and the pool from the back, so that in a loop the
// same thread meets the same items. The caller waits for tasks that have started, never for tasks still in the queue: a
// pool with one thread, or a busy one, cannot block it.
template <typename Pool, typename Item>
void parallel_for(Pool& pool, int64_t n, int64_t threads, Item& item) {
  if (n < 2 || threads < 2) {
    for (int64_t i = 0; i < n; ++i) item(i);
    return;
  }
  auto run = [](void* context, int64_t i) { (*static_cast<Item*>(context))(i); };
  auto share = std::make_shared<detail::Share>(n, run, static_cast<void*>(&item));
  const int64_t others = (threads < n ? threads : n) - 1;
  for (int64_t k = 0; k < others; ++k) pool.Schedule([share] { share->help(); });
  for (int64_t i = 0; share->tickets.fetch_add(1) < n; ++i) item(i);
  for (int spins = 0; share->active.load() != 0; ++spins) {
    if (spins > 2000) std::this_thread::yield();
  }
}

}  // namespace neuro4d
