// Threads that take tasks from a queue, with the two methods of XLA's pool that the kernels use.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace n4_test {

class Pool {
 public:
  explicit Pool(int64_t n) {
    for (int64_t k = 0; k < n; ++k) threads_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  template <typename Task>
  void Schedule(Task task) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      tasks_.emplace_back(std::move(task));
    }
    changed_.notify_one();
  }

  int64_t num_threads() const { return static_cast<int64_t>(threads_.size()); }

 private:
  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace n4_test
