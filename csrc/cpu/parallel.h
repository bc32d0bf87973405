// Work on several threads. They live for one call: nothing is left behind that a fork could break.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace simgan::cpu {

// How many threads `count` items can use.
inline int workers_for(int64_t count, int threads) {
  return static_cast<int>(std::clamp<int64_t>(count, 1, std::max(threads, 1)));
}

// Calls work(item, worker) once for every item < count, with worker < workers. Which worker gets an
// item is chance, so the worker's number may only select a workspace. `work` must not throw.
template <typename Work>
void for_each_item(int64_t count, int workers, const Work& work) {
  std::atomic<int64_t> next = 0;
  const auto run = [&](int worker) {
    for (int64_t item = next++; item < count; item = next++) work(item, worker);
  };
  std::vector<std::thread> others;
  try {
    others.reserve(workers);
    for (int worker = 1; worker < workers; ++worker) others.emplace_back(run, worker);
  } catch (const std::system_error&) {
    // The system has no more threads: those there are do the work.
  }
  run(0);
  for (std::thread& other : others) other.join();
}

}  // namespace simgan::cpu
