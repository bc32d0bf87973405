// Copies of whole images, in the widest word that their addresses allow.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "launch.cuh"

namespace simgan::cuda {

constexpr int64_t kMaxChunks = 32;

// Blocks that share the words of one row.
inline unsigned row_chunks(int64_t words) {
  return static_cast<unsigned>(
      std::clamp<int64_t>((words + kThreads - 1) / kThreads, 1, kMaxChunks));
}

// Calls body(Word{}) with the widest of three word types that divides the addresses and the rows.
template <typename Body>
int with_widest_word(std::initializer_list<const void*> rows, int64_t row_bytes, Body body) {
  auto all = static_cast<uintptr_t>(row_bytes);
  for (const void* row : rows) all |= reinterpret_cast<uintptr_t>(row);
  if (all % sizeof(uint4) == 0) return body(uint4{});
  if (all % sizeof(uint32_t) == 0) return body(uint32_t{});
  return body(uint8_t{});
}

}  // namespace simgan::cuda
