// Work on several threads: OpenMP's, so that torch and these kernels share one team where both use
// the same runtime. Of two teams, the one that waits spins on the cores that the other needs.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#else
#include <system_error>
#include <thread>
#include <vector>
#endif

namespace simgan::cpu {

// How many threads `count` items can use.
inline int workers_for(int64_t count, int threads) {
  return static_cast<int>(std::clamp<int64_t>(count, 1, std::max(threads, 1)));
}

#ifdef _OPENMP

// run(worker) on every worker < workers, or on fewer if the system has no more threads. The team
// keeps its size between calls: a smaller one would end threads that the next call starts again.
template <typename Run>
void on_workers(int workers, int threads, const Run& run) {
  if (workers == 1) return run(0);
#pragma omp parallel num_threads(threads)
  {
    const int worker = omp_get_thread_num();
    if (worker < workers) run(worker);
  }
}

#else

template <typename Run>
void on_workers(int workers, int, const Run& run) {
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

#endif

// Calls work(item, worker) once for every item < count, with worker < workers_for(count, threads).
// Which worker gets an item is chance, so the worker's number may only select a workspace. `work`
// must not throw.
template <typename Work>
void for_each_item(int64_t count, int threads, const Work& work) {
  std::atomic<int64_t> next = 0;
  on_workers(workers_for(count, threads), threads, [&](int worker) {
    for (int64_t item = next++; item < count; item = next++) work(item, worker);
  });
}

}  // namespace simgan::cpu
