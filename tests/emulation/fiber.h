// One CUDA thread of the emulator: a stack of its own, entered and left by long jumps.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdlib>

namespace emulation {

// Started once with the slow portable calls; later switches are `_setjmp` and `_longjmp`, which
// make no system call. Build without _FORTIFY_SOURCE: it forbids jumps between stacks.
class Fiber {
 public:
  static constexpr size_t kStackBytes = 256 * 1024;

  Fiber()
      : stack_(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0)) {
    if (stack_ == MAP_FAILED) abort();
  }
  ~Fiber() {
    munmap(stack_, kStackBytes);
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From now on `resume` enters `body`, which must end in `pause` and never be resumed again.
  void prepare(void (*body)()) {
    body_ = body;
    started_ = false;
  }

  // Called outside: runs the fiber until it pauses.
  __attribute__((noinline)) void resume() {
    if (_setjmp(outside_) != 0) return;
    if (started_) _longjmp(inside_, 1);
    started_ = true;
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_;
    context_.uc_stack.ss_size = kStackBytes;
    context_.uc_link = nullptr;
    makecontext(&context_, body_, 0);
    setcontext(&context_);
  }

  // Called inside: goes back to who called `resume`.
  __attribute__((noinline)) void pause() {
    if (_setjmp(inside_) == 0) _longjmp(outside_, 1);
  }

 private:
  void* stack_;
  void (*body_)() = nullptr;
  bool started_ = false;
  ucontext_t context_;
  jmp_buf inside_, outside_;
};

}  // namespace emulation
