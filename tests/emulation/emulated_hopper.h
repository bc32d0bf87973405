// The instructions of csrc/cuda/hopper_ptx.cuh on the emulator.
//
// Bulk copies come as late as they can: one at a time, and only when no thread can go on without.
// What a copy into shared memory writes is known to those who waited for its barrier, and to nobody
// else. The copy engine and the tensor cores read by the "async proxy": a word that a thread wrote
// must have been shown to them by that thread's fence.proxy.async.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "machine.h"

namespace emulation {

// An mbarrier (PTX ISA 9.7.13.15). Its copies act as thread `agent` of the race detector.
struct ByteBarrier {
  uint32_t address;
  int agent;
  int expected, pending;  // arrivals
  int64_t bytes = 0;
  uint64_t phase = 0;
  VectorClock gathering, known, copies;

  void end_if_complete() {
    if (pending > 0 || bytes != 0) return;
    known = gathering;
    gathering.reset(machine.clock_size());
    pending = expected;
    ++phase;
  }
};

struct BulkCopy {
  uint32_t to;
  const unsigned char* from;
  uint32_t bytes;
  ByteBarrier* barrier;
  VectorClock known;
};

struct BulkStore {
  unsigned char* to;
  uint32_t from, bytes;
};

struct Hopper {
  std::deque<ByteBarrier> barriers;
  std::deque<BulkCopy> copies;                 // under way, in order
  std::vector<BulkStore> open[kMaxThreads];    // not committed
  std::vector<BulkStore> stores[kMaxThreads];  // committed
  int registers[kMaxThreads];
  int free_registers;  // of those that the CTA got at its launch
};

constexpr int kRegisterFile = 65536;

inline Hopper hopper;

inline bool deliver_one_copy() {
  if (hopper.copies.empty()) return false;
  BulkCopy copy = std::move(hopper.copies.front());
  hopper.copies.pop_front();
  ByteBarrier& barrier = *copy.barrier;
  barrier.copies.advance(barrier.agent);
  copy.known.join(barrier.copies);
  for (uint32_t i = 0; i < copy.bytes; i += 16) {
    machine.shared.deliver(copy.to + i, copy.from + i, 16, barrier.agent, copy.known,
                           "cp.async.bulk");
    machine.shared.mark_async(copy.to + i, 16);
  }
  barrier.gathering.join(copy.known);
  barrier.bytes -= copy.bytes;
  barrier.end_if_complete();
  return true;
}

inline void start_hopper_block() {
  hopper.barriers.clear();
  hopper.copies.clear();
  hopper.free_registers = 0;
  for (int t = 0; t < machine.thread_count; ++t) {
    // As many as __launch_bounds__(threads, 1) allows.
    hopper.registers[t] = std::min(kRegisterFile / machine.thread_count, 255) / 8 * 8;
    hopper.open[t].clear();
    hopper.stores[t].clear();
  }
}

inline const char* end_hopper_block() {
  if (!hopper.copies.empty()) return "the CTA ends before its cp.async.bulk";
  for (int t = 0; t < machine.thread_count; ++t) {
    if (!hopper.open[t].empty() || !hopper.stores[t].empty()) {
      return "a thread ends before its cp.async.bulk to global memory";
    }
  }
  return nullptr;
}

[[maybe_unused]] inline const bool hopper_is_here = [] {
  machine.deliver_late = deliver_one_copy;
  machine.at_start.push_back(start_hopper_block);
  machine.at_end.push_back(end_hopper_block);
  return true;
}();

inline ByteBarrier& barrier_at(uint32_t address) {
  for (ByteBarrier& barrier : hopper.barriers) {
    if (barrier.address == address) return barrier;
  }
  fail("thread %d: there is no mbarrier at shared byte %u", current().number,
       address - SharedMemory::kBase);
}

inline void arrive_at(ByteBarrier& barrier) {
  if (barrier.pending == 0) {
    fail("thread %d: the mbarrier at shared byte %u has all its arrivals", current().number,
         barrier.address - SharedMemory::kBase);
  }
  release(barrier.gathering);
  --barrier.pending;
  barrier.end_if_complete();
}

// The async proxy's look at shared memory on behalf of the running thread.
inline void read_async(void* to, uint32_t address, uint32_t bytes, const char* what) {
  const Thread& thread = current();
  machine.shared.require_shown(address, bytes, thread.number, what, [](int writer, uint32_t step) {
    return writer >= machine.thread_count || step <= machine.threads[writer]->shown;
  });
  machine.shared.read(to, address, bytes, thread.number, thread.clock, what);
}

inline void check_bulk(const void* global, uint32_t shared, int bytes) {
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0 || shared % 16 != 0 || bytes <= 0 ||
      bytes % 16 != 0) {
    fail("thread %d: cp.async.bulk of %d bytes between %p and shared byte %u: not multiples of 16",
         current().number, bytes, global, shared - SharedMemory::kBase);
  }
}

}  // namespace emulation

namespace simgan::cuda::ptx {

inline void init_barrier(uint32_t barrier, int arrivals) {
  using namespace emulation;
  const uint64_t zero = 0;
  store_shared(barrier, zero);
  const int agent = machine.thread_count + static_cast<int>(hopper.barriers.size());
  if (agent >= machine.clock_size()) fail("more than %d mbarriers", kAgents);
  ByteBarrier& made = hopper.barriers.emplace_back(
      ByteBarrier{barrier, agent, arrivals, arrivals, 0, 0, {}, {}, {}});
  made.gathering.reset(machine.clock_size());
  made.known.reset(machine.clock_size());
  made.copies.reset(machine.clock_size());
}

inline void fence_barrier_init() {}

inline void arrive(uint32_t barrier) {
  emulation::arrive_at(emulation::barrier_at(barrier));
}

inline void arrive_expecting(uint32_t barrier, int bytes) {
  emulation::ByteBarrier& one = emulation::barrier_at(barrier);
  one.bytes += bytes;
  emulation::arrive_at(one);
}

inline void wait(uint32_t barrier, uint32_t parity) {
  const emulation::ByteBarrier& one = emulation::barrier_at(barrier);
  emulation::wait_until("mbarrier.try_wait", [&] { return (one.phase & 1) != parity; });
  emulation::acquire(one.known);
}

inline void copy_bulk(uint32_t to, const void* from, int bytes, uint32_t barrier) {
  using namespace emulation;
  check_bulk(from, to, bytes);
  const auto source = static_cast<const unsigned char*>(from);
  // A bad address must fail here, where a thread runs.
  [[maybe_unused]] const volatile unsigned char ends[] = {source[0], source[bytes - 1]};
  const Thread& thread = current();
  for (int i = 0; i < bytes; i += 16) {
    machine.shared.expect(to + i, 16, thread.number, thread.clock, "cp.async.bulk");
  }
  hopper.copies.push_back(
      {to, source, static_cast<uint32_t>(bytes), &barrier_at(barrier), thread.clock});
}

inline void copy_bulk_out(void* to, uint32_t from, int bytes) {
  using namespace emulation;
  check_bulk(to, from, bytes);
  unsigned char seen[16];
  for (int i = 0; i < bytes; i += 16) read_async(seen, from + i, 16, "cp.async.bulk to global");
  hopper.open[current().number].push_back(
      {static_cast<unsigned char*>(to), from, static_cast<uint32_t>(bytes)});
}

inline void commit_bulk() {
  using namespace emulation;
  std::vector<BulkStore>&open = hopper.open[current().number],
  &stores = hopper.stores[current().number];
  stores.insert(stores.end(), open.begin(), open.end());
  open.clear();
}

inline void wait_bulk_read() {
  using namespace emulation;
  std::vector<BulkStore>& stores = hopper.stores[current().number];
  for (const BulkStore& store : stores) {
    for (uint32_t i = 0; i < store.bytes; i += 16) {
      read_async(store.to + i, store.from + i, 16, "cp.async.bulk to global");
    }
  }
  stores.clear();
}

inline void wait_bulk() {
  wait_bulk_read();
}

inline void fence_async() {
  emulation::Thread& thread = emulation::current();
  thread.shown = thread.clock[thread.number];
  thread.clock.advance(thread.number);
}

template <int kRegisters>
void release_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  int& own = emulation::hopper.registers[emulation::current().number];
  if (own < kRegisters) emulation::fail("setmaxnreg.dec to more registers");
  emulation::hopper.free_registers += own - kRegisters;
  own = kRegisters;
}

// Waits until others have released enough.
template <int kRegisters>
void claim_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  int& own = emulation::hopper.registers[emulation::current().number];
  if (own > kRegisters) emulation::fail("setmaxnreg.inc to fewer registers");
  const int more = kRegisters - own;
  emulation::wait_until("setmaxnreg.inc", [&] { return emulation::hopper.free_registers >= more; });
  emulation::hopper.free_registers -= more;
  own = kRegisters;
}

inline void store_matrices_transposed(uint32_t row_address, const uint32_t (&registers)[4]) {
  struct Operands {
    uint32_t address;
    const uint32_t* registers;
  } mine{row_address, registers};
  emulation::together("stmatrix.x4.trans", mine, [](Operands* const* lanes) {
    const int first_thread = emulation::current().warp() * emulation::kLanes;
    for (int m = 0; m < 4; ++m) {
      uint16_t rows[8][8];
      for (int lane = 0; lane < emulation::kLanes; ++lane) {
        const int g = lane / 4, t = lane % 4;
        rows[2 * t][g] = static_cast<uint16_t>(lanes[lane]->registers[m]);
        rows[2 * t + 1][g] = static_cast<uint16_t>(lanes[lane]->registers[m] >> 16);
      }
      // The lane that names a row is its writer: the fence and barrier that follow are its own.
      for (int row = 0; row < 8; ++row) {
        const int lane = 8 * m + row;
        const emulation::Thread& thread = *emulation::machine.threads[first_thread + lane];
        emulation::machine.shared.write(lanes[lane]->address, rows[row], 16, thread.number,
                                        thread.clock, "stmatrix");
      }
    }
  });
}

}  // namespace simgan::cuda::ptx
