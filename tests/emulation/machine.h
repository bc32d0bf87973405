// Runs a CUDA kernel on the CPU, one CTA after another, every thread a fiber.
//
// A thread runs until it waits: at a barrier, at a warp's collective instruction, or in any
// `wait_until`. When no thread can go on, the launch fails and says where each one waits. Threads
// and CTAs run in rising or in falling order; a right kernel gives the same bits in both.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "failure.h"
#include "fiber.h"
#include "shared_memory.h"
#include "vector_clock.h"

namespace emulation {

constexpr int kLanes = 32;
constexpr int kMaxThreads = SharedMemory::kWarps * kLanes;
constexpr int kNamedBarriers = 16;
constexpr int kAgents = 32;  // that act beside the threads, for the race detector

struct Dim3 {
  unsigned x, y, z;
  constexpr Dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

struct AsyncCopy {
  uint32_t to;
  const void* from;  // nullptr: zeros
  uint32_t bytes;
};

struct Thread {
  Fiber fiber;
  int number = 0;
  Dim3 index;
  VectorClock clock;
  bool done = false;
  const char* waits_at = nullptr;
  bool (*ready)(const void*) = nullptr;
  const void* ready_of = nullptr;
  std::vector<std::vector<AsyncCopy>> copies;  // the open group last
  uint32_t shown = 0;                          // its last step whose writes the async proxy sees

  int warp() const {
    return number / kLanes;
  }
  int lane() const {
    return number % kLanes;
  }
  bool has_copies() const {
    for (const auto& group : copies) {
      if (!group.empty()) return true;
    }
    return false;
  }
};

// A place where threads meet and what they knew when they came.
struct Meeting {
  int arrived = 0, expected = 0;
  uint64_t times = 0;
  VectorClock gathering, known;
};

// The collective instruction that a warp's lanes are about to run together.
struct Collective {
  const char* name = nullptr;
  int arrived = 0;
  uint64_t times = 0;
  void* operands[kLanes];
};

struct Machine {
  std::vector<std::unique_ptr<Thread>> threads;
  Thread* running = nullptr;
  bool falling_order = false;
  SharedMemory shared;
  Dim3 grid, block, block_index, thread_index;
  int thread_count = 0;
  Meeting barriers[kNamedBarriers];
  Meeting warp_barriers[SharedMemory::kWarps];
  Collective collectives[SharedMemory::kWarps];
  void (*body)(const void*) = nullptr;  // the kernel with its arguments
  const void* body_of = nullptr;
  // Brings about something that was started and may come late; false if there is nothing.
  bool (*deliver_late)() = nullptr;
  std::vector<void (*)()> at_start;       // of a CTA
  std::vector<const char* (*)()> at_end;  // of a CTA: what it left undone, or nullptr

  int clock_size() const {
    return thread_count + kAgents;
  }
};

inline Machine machine;

inline Thread& current() {
  return *machine.running;
}

[[noreturn]] inline void abandon_launch() {
  if (machine.running == nullptr) abort();
  for (;;) machine.running->fiber.pause();
}

// The running thread waits here until `ready()`, a condition that other threads make true.
template <class Ready>
void wait_until(const char* place, const Ready& ready) {
  if (ready()) return;
  Thread& thread = current();
  thread.waits_at = place;
  thread.ready_of = &ready;
  thread.ready = [](const void* self) { return (*static_cast<const Ready*>(self))(); };
  thread.fiber.pause();
  thread.ready = nullptr;
}

// What the running thread did becomes known to who acquires `clock`.
inline void release(VectorClock& clock) {
  Thread& thread = current();
  clock.join(thread.clock);
  thread.clock.advance(thread.number);
}

inline void acquire(const VectorClock& clock) {
  current().clock.join(clock);
}

// Arrives at a meeting of `expected` threads; with `stay`, waits for the others.
inline void meet(Meeting& meeting, int expected, const char* place, bool stay = true) {
  if (meeting.arrived == 0) meeting.expected = expected;
  if (meeting.expected != expected) {
    fail("thread %d: %s for %d threads, where others wait for %d", current().number, place,
         expected, meeting.expected);
  }
  release(meeting.gathering);
  const uint64_t before = meeting.times;
  if (++meeting.arrived == expected) {
    meeting.known = meeting.gathering;
    meeting.gathering.reset(machine.clock_size());
    meeting.arrived = 0;
    ++meeting.times;
  }
  if (!stay) return;
  wait_until(place, [&] { return meeting.times != before; });
  acquire(meeting.known);
}

inline void named_barrier(int number, int threads, const char* place, bool stay = true) {
  if (number < 0 || number >= kNamedBarriers || threads % kLanes != 0) {
    fail("thread %d: there is no %s %d for %d threads", current().number, place, number, threads);
  }
  meet(machine.barriers[number], threads, place, stay);
}

// All lanes of the warp bring their operands; the last one lets `calculate(Operands* const*)` work
// on the 32 of them. Says nothing about memory: a collective orders no accesses.
template <class Operands, class Calculate>
void together(const char* name, Operands& mine, const Calculate& calculate) {
  Thread& thread = current();
  Collective& collective = machine.collectives[thread.warp()];
  if (collective.arrived == 0) collective.name = name;
  if (collective.name != name && std::strcmp(collective.name, name) != 0) {
    fail("warp %d diverges: lane %d is at %s, others at %s", thread.warp(), thread.lane(), name,
         collective.name);
  }
  collective.operands[thread.lane()] = &mine;
  const uint64_t before = collective.times;
  if (++collective.arrived == kLanes) {
    collective.arrived = 0;
    ++collective.times;
    calculate(reinterpret_cast<Operands* const*>(collective.operands));
  } else {
    wait_until(name, [&] { return collective.times != before; });
  }
}

inline void thread_main() {
  machine.body(machine.body_of);
  Thread& thread = current();
  thread.done = true;
  thread.fiber.pause();
}

inline void prepare_block(size_t shared_bytes) {
  machine.shared.reset(shared_bytes);
  for (Meeting& barrier : machine.barriers) barrier = {};
  for (Meeting& barrier : machine.warp_barriers) barrier = {};
  for (Meeting& barrier : machine.barriers) barrier.gathering.reset(machine.clock_size());
  for (Meeting& barrier : machine.warp_barriers) barrier.gathering.reset(machine.clock_size());
  for (Collective& collective : machine.collectives) collective = {};
  while (static_cast<int>(machine.threads.size()) < machine.thread_count) {
    machine.threads.push_back(std::make_unique<Thread>());
  }
  for (int t = 0; t < machine.thread_count; ++t) {
    Thread& thread = *machine.threads[t];
    const unsigned x = t % machine.block.x, yz = t / machine.block.x;
    thread.number = t;
    thread.index = Dim3(x, yz % machine.block.y, yz / machine.block.y);
    thread.clock.reset(machine.clock_size());
    thread.clock.advance(t);  // step 0 is before everything
    thread.done = false;
    thread.shown = 0;
    thread.ready = nullptr;
    thread.copies.assign(1, {});
    thread.fiber.prepare(thread_main);
  }
  for (void (*start)() : machine.at_start) start();
}

// Names the places where threads wait for each other in vain.
inline void report_deadlock() {
  char* text = failure.text;
  int space = sizeof failure.text;
  failure.happened = true;
  int used = snprintf(text, space, "deadlock:");
  const char* place = nullptr;
  for (int t = 0; t < machine.thread_count; ++t) {
    const Thread& thread = *machine.threads[t];
    const char* here = thread.done ? "its end" : thread.waits_at;
    if (here == place || used >= space) continue;
    used += snprintf(text + used, space - used, " from thread %d at %s;", t, here);
    place = here;
  }
}

inline void run_block() {
  bool alive = true;
  while (alive) {
    bool moved = false;
    alive = false;
    for (int i = 0; i < machine.thread_count; ++i) {
      Thread& thread = *machine.threads[machine.falling_order ? machine.thread_count - 1 - i : i];
      if (thread.done) continue;
      alive = true;
      if (thread.ready != nullptr && !thread.ready(thread.ready_of)) continue;
      moved = true;
      machine.running = &thread;
      machine.thread_index = thread.index;
      thread.fiber.resume();
      machine.running = nullptr;
      if (failure.happened) return;
      if (thread.done && thread.has_copies()) {
        snprintf(failure.text, sizeof failure.text, "thread %d ends before its cp.async",
                 thread.number);
        failure.happened = true;
        return;
      }
    }
    if (!alive || moved) continue;
    if (machine.deliver_late == nullptr || !machine.deliver_late()) return report_deadlock();
  }
  for (const char* (*left_undone)() : machine.at_end) {
    const char* text = left_undone();
    if (text == nullptr) continue;
    snprintf(failure.text, sizeof failure.text, "%s", text);
    failure.happened = true;
  }
}

inline void on_bad_address(int, siginfo_t* info, void*) {
  if (machine.running == nullptr) {
    signal(SIGSEGV, SIG_DFL);
    return;
  }
  fail("thread %d touches %p, which is outside every buffer", machine.running->number,
       info->si_addr);
}

// Runs `body(body_of)` as every thread of the grid; failure.text tells what went wrong, if so.
inline bool run_grid(Dim3 grid, Dim3 block, size_t shared_bytes, void (*body)(const void*),
                     const void* body_of) {
  machine.grid = grid;
  machine.block = block;
  machine.thread_count = block.x * block.y * block.z;
  machine.body = body;
  machine.body_of = body_of;
  failure.happened = false;
  struct sigaction ours = {}, before;
  ours.sa_sigaction = on_bad_address;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &ours, &before);
  const int64_t blocks = int64_t{grid.x} * grid.y * grid.z;
  for (int64_t i = 0; i < blocks && !failure.happened; ++i) {
    const int64_t b = machine.falling_order ? blocks - 1 - i : i;
    machine.block_index = Dim3(b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y);
    prepare_block(shared_bytes);
    run_block();
  }
  sigaction(SIGSEGV, &before, nullptr);
  return !failure.happened;
}

}  // namespace emulation
