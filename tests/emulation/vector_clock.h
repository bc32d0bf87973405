// What a thread knows of the others: the base of the race detector (vector clocks as in FastTrack,
// Flanagan and Freund 2009).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace emulation {

// Entry t: the last step of thread t that happened before now.
class VectorClock {
 public:
  void reset(int threads) {
    steps_.assign(threads, 0);
  }
  uint32_t operator[](int thread) const {
    return steps_[thread];
  }
  void advance(int thread) {
    ++steps_[thread];
  }
  // Everything that `other` knows happened before, too.
  void join(const VectorClock& other) {
    for (size_t t = 0; t < steps_.size(); ++t) steps_[t] = std::max(steps_[t], other.steps_[t]);
  }

 private:
  std::vector<uint32_t> steps_;
};

}  // namespace emulation
