// What the tests steer and ask of any emulated library.
#pragma once

#include <cuda_runtime.h>

#include "guarded_memory.h"

extern "C" {

const char* last_failure() {
  return emulation::failure.text;
}

void set_gpu(int multiprocessors, int shared_per_multiprocessor, int shared_per_block) {
  emulation::gpu = {multiprocessors, shared_per_multiprocessor, shared_per_block};
}

void set_falling_order(int falling) {
  emulation::machine.falling_order = falling != 0;
}

void* allocate(int64_t bytes) {
  return emulation::guarded_memory.allocate(bytes);
}

void release_all() {
  emulation::guarded_memory.release_all();
}

}  // extern "C"
