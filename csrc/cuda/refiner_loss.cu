// The refiner's loss and all its gradients in one launch (Eq. 4).
// NOT RUN on a GPU yet: compiled only.
#include "launch.cuh"
#include "patches.cuh"

namespace simgan::cuda {
namespace {

constexpr int kReal = 0;

// Softplus of the margins that this block owns; the gradients on the way.
__device__ float add_realism(const RefinerLossInputs& from, const RefinerLossOutputs& to,
                             int64_t count, unsigned blocks) {
  const int64_t stride = static_cast<int64_t>(blocks) * kThreads;
  float sum = 0.0f;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += stride) {
    const float margin = margin_at(from.logits, from.layout, kReal, i);
    const float e = expf(-fabsf(margin));
    // fmaxf drops a NaN; the second term keeps it.
    sum += fmaxf(margin, 0.0f) + log1pf(e);
    if (to.slopes == nullptr) continue;
    const float slope =
        (margin > 0.0f ? 1.0f : e) / (1.0f + e) / static_cast<float>(from.layout.images);
    float* patch = to.slopes + patch_offset(to.slopes_layout, i);
    patch[(1 - kReal) * to.slopes_layout.class_stride] = slope;
    patch[kReal * to.slopes_layout.class_stride] = -slope;
  }
  return sum;
}

__device__ float add_regularization(const RefinerLossInputs& from, const RefinerLossOutputs& to,
                                    unsigned block, unsigned blocks) {
  const int64_t stride = static_cast<int64_t>(blocks) * kThreads;
  float sum = 0.0f;
  for (int64_t i = static_cast<int64_t>(block) * kThreads + threadIdx.x; i < from.count;
       i += stride) {
    const float difference = from.refined[i] - from.target[i];
    sum += fabsf(difference);
    if (to.signs != nullptr) {
      to.signs[i] = static_cast<int8_t>((difference > 0.0f) - (difference < 0.0f));
    }
  }
  return sum;
}

// Sum of partials[first .. last) in a fixed order, by one block; the result is valid in thread 0.
__device__ float sum_partials(const float* partials, unsigned first, unsigned last) {
  float sum = 0.0f;
  for (unsigned i = first + threadIdx.x; i < last; i += kThreads) sum += __ldcg(partials + i);
  __syncthreads();  // block_sum's shared memory may still be read
  return block_sum(sum);
}

// Blocks x < patch_blocks take patches, the others numbers of the images; the one that finishes
// last adds the sums of all, so that nothing has to be launched after.
__global__ void __launch_bounds__(kThreads)
    refiner_loss_kernel(RefinerLossInputs from, RefinerLossOutputs to, int64_t patch_count,
                        unsigned patch_blocks, float* partials,  // [gridDim.x]
                        uint32_t* ticket) {                      // [1], 0 before and after
  __shared__ bool last;
  const float sum =
      block_sum(blockIdx.x < patch_blocks ? add_realism(from, to, patch_count, patch_blocks)
                                          : add_regularization(from, to, blockIdx.x - patch_blocks,
                                                               gridDim.x - patch_blocks));
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(ticket, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  const auto images = static_cast<float>(from.layout.images);
  const float realism = sum_partials(partials, 0, patch_blocks) / images;
  const float regularization = sum_partials(partials, patch_blocks, gridDim.x) / images;
  if (threadIdx.x == 0) {
    *to.realism = realism;
    *to.regularization = regularization;
    *to.total = realism + from.lambda_reg * regularization;
    *ticket = 0;
  }
}

__global__ void __launch_bounds__(kThreads)
    scale_gradients_kernel(const float* __restrict__ grad,    // [1]
                           const float* __restrict__ slopes,  // [slopes_count]
                           int64_t slopes_count, float* __restrict__ grad_logits,
                           const int8_t* __restrict__ signs,  // [signs_count]
                           int64_t signs_count, float scale, float* __restrict__ grad_refined) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const float factor = *grad;
  if (grad_logits != nullptr) {
    for (int64_t i = first; i < slopes_count; i += stride) grad_logits[i] = slopes[i] * factor;
  }
  if (grad_refined != nullptr) {
    for (int64_t i = first; i < signs_count; i += stride) {
      grad_refined[i] = static_cast<float>(signs[i]) * (factor * scale);
    }
  }
}

}  // namespace

int64_t refiner_loss_partials(int64_t patches, int64_t count) {
  return static_cast<int64_t>(blocks_for(patches)) + blocks_for(count);
}

int refiner_loss_forward(const RefinerLossInputs& from, const RefinerLossOutputs& to,
                         float* partials, uint32_t* ticket, void* stream) {
  const int64_t patch_count = patches(from.layout);
  const unsigned patch_blocks = blocks_for(patch_count);
  const auto blocks = static_cast<unsigned>(refiner_loss_partials(patch_count, from.count));
  refiner_loss_kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      from, to, patch_count, patch_blocks, partials, ticket);
  return cudaGetLastError();
}

int refiner_loss_backward(const float* grad, const float* slopes, int64_t slopes_count,
                          float* grad_logits, const int8_t* signs, int64_t signs_count, float scale,
                          float* grad_refined, void* stream) {
  const unsigned blocks = blocks_for(std::max(slopes_count, signs_count));
  scale_gradients_kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      grad, slopes, slopes_count, grad_logits, signs, signs_count, scale, grad_refined);
  return cudaGetLastError();
}

}  // namespace simgan::cuda
