// NOT RUN on a GPU yet: compiled only.
#include "../launchers.h"
#include "launch.cuh"

namespace simgan::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    finish_sum_kernel(const float* __restrict__ partials,  // [count]
                      int64_t count, float images, float* __restrict__ loss) {
  float sum = 0.0f;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partials[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *loss = sum / images;
}

}  // namespace

int64_t partial_sums(int64_t count) {
  return blocks_for(count);
}

const char* error_text(int code) {
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}

cudaError_t finish_sum(const float* partials, int64_t count, int64_t images, float* loss,
                       cudaStream_t stream) {
  finish_sum_kernel<<<1, kThreads, 0, stream>>>(partials, count, static_cast<float>(images), loss);
  return cudaGetLastError();
}

}  // namespace simgan::cuda
