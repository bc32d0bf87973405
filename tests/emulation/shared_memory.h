// Shared memory of the CTA that runs: bounds, alignment, NaN poison, races.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "failure.h"
#include "vector_clock.h"

namespace emulation {

// An access by a thread at one of its steps; step 0 means none.
struct Access {
  int32_t thread = 0;
  uint32_t step = 0;

  bool before(const VectorClock& now) const {
    return step <= now[thread];
  }
};

// Addresses are those of the shared window: 32 bits, starting at kBase.
//
// Every 4-byte word remembers its last write and the last read of each warp. Two accesses to a
// word, one of them a write, must be ordered by a barrier, whatever order the emulator ran them in.
class SharedMemory {
 public:
  static constexpr uint32_t kBase = 1024;  // address 0 stays invalid
  static constexpr int kWarps = 16;        // of a CTA at most

  void reset(size_t bytes) {
    bytes_.assign(bytes, 0xff);  // NaN in every format
    words_.assign((bytes + 3) / 4, Word{});
  }

  // Copies `count` bytes at `address` out, as a read by `thread`.
  void read(void* to, uint32_t address, uint32_t count, int thread, const VectorClock& now,
            const char* what) {
    check(address, count, thread, what);
    for (uint32_t w = first(address); w <= last(address, count); ++w) {
      Word& word = words_[w];
      if (word.pending) fail_at(address, thread, what, "reads bytes that cp.async still brings");
      if (!word.write.before(now)) fail_race(address, thread, what, "a write", word.write.thread);
      word.reads[thread / 32] = {thread, now[thread]};
    }
    std::memcpy(to, &bytes_[address - kBase], count);
  }

  void write(uint32_t address, const void* from, uint32_t count, int thread, const VectorClock& now,
             const char* what) {
    claim(address, count, thread, now, what);
    std::memcpy(&bytes_[address - kBase], from, count);
    for (uint32_t w = first(address); w <= last(address, count); ++w) words_[w].async = false;
  }

  // The bytes were written by the async proxy.
  void mark_async(uint32_t address, uint32_t count) {
    for (uint32_t w = first(address); w <= last(address, count); ++w) words_[w].async = true;
  }

  // Fails unless the async proxy sees the bytes: it wrote them, or shown(writer, step).
  template <class Shown>
  void require_shown(uint32_t address, uint32_t count, int thread, const char* what,
                     const Shown& shown) const {
    check(address, count, thread, what);
    for (uint32_t w = first(address); w <= last(address, count); ++w) {
      const Word& word = words_[w];
      if (!word.async && !shown(word.write.thread, word.write.step)) {
        fail_at(address, thread, what, "reads what no fence.proxy.async has shown it");
      }
    }
  }

  // The destination of an asynchronous copy: poisoned, and nobody's until `deliver`.
  void expect(uint32_t address, uint32_t count, int thread, const VectorClock& now,
              const char* what) {
    claim(address, count, thread, now, what);
    std::memset(&bytes_[address - kBase], 0xff, count);
    set_pending(address, count, true);
  }

  // Ends `expect`: the bytes are there, as if `thread` wrote them now.
  void deliver(uint32_t address, const void* from, uint32_t count, int thread,
               const VectorClock& now, const char* what) {
    set_pending(address, count, false);
    write(address, from, count, thread, now, what);
  }

 private:
  struct Word {
    Access write;
    Access reads[kWarps];
    bool pending = false;
    bool async = false;  // written by the async proxy
  };

  static uint32_t first(uint32_t address) {
    return (address - kBase) / 4;
  }
  static uint32_t last(uint32_t address, uint32_t count) {
    return (address + count - 1 - kBase) / 4;
  }

  // Every access is aligned to its own size, as the hardware wants it.
  void check(uint32_t address, uint32_t count, int thread, const char* what) const {
    if (address < kBase || address - kBase + count > bytes_.size()) {
      fail("thread %d: %s at shared byte %lld is outside the CTA's %zu bytes", thread, what,
           static_cast<long long>(address) - kBase, bytes_.size());
    }
    if (address % count != 0) fail_at(address, thread, what, "is misaligned");
  }

  void claim(uint32_t address, uint32_t count, int thread, const VectorClock& now,
             const char* what) {
    check(address, count, thread, what);
    for (uint32_t w = first(address); w <= last(address, count); ++w) {
      Word& word = words_[w];
      if (word.pending)
        fail_at(address, thread, what, "overwrites bytes that cp.async still brings");
      if (!word.write.before(now)) fail_race(address, thread, what, "a write", word.write.thread);
      for (const Access& read : word.reads) {
        if (!read.before(now)) fail_race(address, thread, what, "a read", read.thread);
      }
      word.write = {thread, now[thread]};
    }
  }

  void set_pending(uint32_t address, uint32_t count, bool pending) {
    for (uint32_t w = first(address); w <= last(address, count); ++w) words_[w].pending = pending;
  }

  [[noreturn]] static void fail_at(uint32_t address, int thread, const char* what,
                                   const char* wrong) {
    fail("thread %d: %s at shared byte %u %s", thread, what, address - kBase, wrong);
  }

  [[noreturn]] static void fail_race(uint32_t address, int thread, const char* what,
                                     const char* other, int other_thread) {
    fail("race: %s of thread %d at shared byte %u and %s of thread %d have no barrier between",
         what, thread, address - kBase, other, other_thread);
  }

  std::vector<unsigned char> bytes_;
  std::vector<Word> words_;
};

}  // namespace emulation
