// Sizes of a launch and the two sums that keep a fixed order.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace simgan::cuda {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1024;

// Blocks of kThreads for `count` elements; kernels stride over what is left.
inline unsigned blocks_for(int64_t count) {
  const int64_t blocks = (count + kThreads - 1) / kThreads;
  return static_cast<unsigned>(std::clamp<int64_t>(blocks, 1, kMaxBlocks));
}

// Sum over one block in a fixed tree order; the result is valid in thread 0.
__device__ inline float block_sum(float value) {
  __shared__ float warps[kThreads / 32];
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffu, value, step);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x >= 32) return 0.0f;
  value = threadIdx.x < kThreads / 32 ? warps[threadIdx.x] : 0.0f;
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffu, value, step);
  return value;
}

// loss[0] = sum(partials) / images, by one block. A second kernel instead of atomics: same bits
// every time, and nothing to clear between replays of a CUDA graph.
cudaError_t finish_sum(const float* partials, int64_t count, int64_t images, float* loss,
                       cudaStream_t stream);

}  // namespace simgan::cuda
