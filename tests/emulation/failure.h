// How the emulator says what a kernel did wrong: the first failure ends the launch.
#pragma once

#include <cstdarg>
#include <cstdio>

namespace emulation {

struct Failure {
  bool happened = false;
  char text[512] = "";
};

inline Failure failure;

// Defined by the machine: leaves the running CUDA thread for good.
[[noreturn]] void abandon_launch();

[[noreturn]] __attribute__((format(printf, 1, 2))) inline void fail(const char* format, ...) {
  if (!failure.happened) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure.text, sizeof failure.text, format, arguments);
    va_end(arguments);
    failure.happened = true;
  }
  abandon_launch();
}

}  // namespace emulation
