// Cross-entropy of two-class patch maps against one class, and its gradient (Eq. 1 and 2).
// NOT RUN on a GPU yet: compiled only.
#include "../launchers.h"
#include "launch.cuh"
#include "patches.cuh"

namespace simgan::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    add_softplus_kernel(const float* __restrict__ logits,  // [N, 2, h, w] in `layout`
                        MapLayout layout, int target, int64_t count,
                        float* __restrict__ partials) {  // [gridDim.x]
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  float sum = 0.0f;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += stride) {
    const float margin = margin_at(logits, layout, target, i);
    // fmaxf drops a NaN; the second term keeps it.
    sum += fmaxf(margin, 0.0f) + log1pf(expf(-fabsf(margin)));
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    write_slopes_kernel(const float* __restrict__ grad,    // [1]
                        const float* __restrict__ logits,  // [N, 2, h, w] in `layout`
                        MapLayout layout, int target, int64_t count,
                        float* __restrict__ grad_logits,  // [N, 2, h, w] in `grad_layout`
                        MapLayout grad_layout) {
  const float scale = *grad / static_cast<float>(layout.images);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += stride) {
    const float margin = margin_at(logits, layout, target, i);
    const float e = expf(-fabsf(margin));
    const float slope = (margin > 0.0f ? 1.0f : e) / (1.0f + e) * scale;
    float* patch = grad_logits + patch_offset(grad_layout, i);
    patch[(1 - target) * grad_layout.class_stride] = slope;
    patch[target * grad_layout.class_stride] = -slope;
  }
}

}  // namespace

int patch_cross_entropy_forward(const float* logits, const MapLayout& layout, int target,
                                float* partials, float* loss, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  const int64_t count = patches(layout);
  const unsigned blocks = blocks_for(count);
  add_softplus_kernel<<<blocks, kThreads, 0, queue>>>(logits, layout, target, count, partials);
  const cudaError_t error = cudaGetLastError();
  return error != cudaSuccess ? error : finish_sum(partials, blocks, layout.images, loss, queue);
}

int patch_cross_entropy_backward(const float* grad, const float* logits, const MapLayout& layout,
                                 int target, float* grad_logits, const MapLayout& grad_layout,
                                 void* stream) {
  const int64_t count = patches(layout);
  write_slopes_kernel<<<blocks_for(count), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      grad, logits, layout, target, count, grad_logits, grad_layout);
  return cudaGetLastError();
}

}  // namespace simgan::cuda
