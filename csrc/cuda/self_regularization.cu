// L1 distance between refined and synthetic images, and its gradient (Eq. 4).
// NOT RUN on a GPU yet: compiled only.
#include "../launchers.h"
#include "launch.cuh"

namespace simgan::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    add_distances_kernel(const float* __restrict__ refined,              // [count]
                         const float* __restrict__ synthetic,            // [count]
                         int64_t count, float* __restrict__ partials) {  // [gridDim.x]
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  float sum = 0.0f;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += stride) {
    sum += fabsf(refined[i] - synthetic[i]);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    write_signs_kernel(const float* __restrict__ grad,                                   // [1]
                       const float* __restrict__ refined,                                // [count]
                       const float* __restrict__ synthetic,                              // [count]
                       int64_t count, float images, float* __restrict__ grad_refined) {  // [count]
  const float scale = *grad / images;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += stride) {
    const float difference = refined[i] - synthetic[i];
    grad_refined[i] = difference > 0.0f ? scale : difference < 0.0f ? -scale : 0.0f;
  }
}

}  // namespace

int self_regularization_forward(const float* refined, const float* synthetic, int64_t count,
                                int64_t images, float* partials, float* loss, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  const unsigned blocks = blocks_for(count);
  add_distances_kernel<<<blocks, kThreads, 0, queue>>>(refined, synthetic, count, partials);
  const cudaError_t error = cudaGetLastError();
  return error != cudaSuccess ? error : finish_sum(partials, blocks, images, loss, queue);
}

int self_regularization_backward(const float* grad, const float* refined, const float* synthetic,
                                 int64_t count, int64_t images, float* grad_refined, void* stream) {
  write_signs_kernel<<<blocks_for(count), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      grad, refined, synthetic, count, static_cast<float>(images), grad_refined);
  return cudaGetLastError();
}

}  // namespace simgan::cuda
