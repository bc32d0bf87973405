// The gradients of the filters and biases of a residual block on sm_90a.
//
//   filters[tap][out][in] = sum over pixels of grad[pixel][out] * input[pixel + tap][in]
//
// for both convolutions (blockIdx.y). A CTA walks over its share of the streams and adds in
// registers: each of three warpgroups has the taps of one filter row, 3 x [64][64] sums. The pixels
// are the inner dimension, so `grad` is operand A, transposed on its way to registers, where it
// serves three taps; `input` is a transposed operand B, moved by a tap as in the forward pass. A
// second kernel adds the shares in a fixed order.
#pragma once

#include "residual_trunk_memory.cuh"
#include "wgmma.cuh"

namespace simgan::cuda::trunk {

constexpr int kFilterThreads = 4 * kWarpgroup;
constexpr int kFilterStages = 4;
constexpr int kSteps = kChunk / 16;  // of 16 pixels
constexpr int kFilterSize = kChannels * kChannels;
constexpr int kPartial = kTaps * kFilterSize + kChannels;  // floats of a CTA, the bias last

struct FilterTask {
  const __nv_bfloat16 *inputs[2], *grads[2];  // streams
  float* partials;                            // [2][gridDim.x][kPartial]
  int64_t slots;
  int lead, pitch, margin, chunks, chunks_per_cta;
};

struct FilterMemory {
  static constexpr int kGrad = kInputSlots * kPlanes * kSlotBytes;
  static constexpr int kStageBytes = kGrad + kChunkBytes;
  static constexpr int kFull = kFilterStages * kStageBytes;
  static constexpr int kEmpty = kFull + 8 * kFilterStages;
  static constexpr int kBytes = kEmpty + 8 * kFilterStages;
};
static_assert(FilterMemory::kBytes <= 227 * 1024);

using Fragments = uint32_t[kSteps][4];
using FilterSums = float[3][kChannels / 2];  // of the taps of a row

// Starts the copies of every chunk of the CTA.
__device__ inline void load_filter_chunks(const FilterTask& task, uint32_t shared, int first,
                                          int last) {
  const __nv_bfloat16 *input = task.inputs[blockIdx.y], *grad = task.grads[blockIdx.y];
  const int window_bytes = (kChunk + 2 * task.margin) * kSlotBytes;
  Turn<kFilterStages> turn;
#pragma unroll 1
  for (int chunk = first; chunk < last; ++chunk, turn.next()) {
    ptx::wait(shared + FilterMemory::kEmpty + 8 * turn.stage, turn.parity ^ 1);
    const uint32_t full = shared + FilterMemory::kFull + 8 * turn.stage;
    ptx::arrive_expecting(full, window_bytes * kPlanes + kChunkBytes);
    const uint32_t stage = shared + turn.stage * FilterMemory::kStageBytes;
    const int64_t slot = task.lead + int64_t{chunk} * kChunk;
#pragma unroll 1
    for (int plane = 0; plane < kPlanes; ++plane) {
      const int64_t start = plane * task.slots + slot;
      ptx::copy_bulk(stage + (plane * kInputSlots + kMostMargin - task.margin) * kSlotBytes,
                     input + (start - task.margin) * kPlaneChannels, window_bytes, full);
      ptx::copy_bulk(stage + FilterMemory::kGrad + plane * kChunk * kSlotBytes,
                     grad + start * kPlaneChannels, kChunk * kSlotBytes, full);
    }
  }
}

// sums += the products of a chunk whose stage starts at `stage`, for the taps of filter row `row`.
__device__ __forceinline__ void multiply_chunk(FilterSums& sums, const Fragments& grad,
                                               uint32_t stage, int row, int pitch) {
  const uint32_t window = stage + (kMostMargin + (row - 1) * pitch) * kSlotBytes;
  const uint64_t middle = ptx::matrix_descriptor(window, kCoreBytes, kInputSlots * kSlotBytes);
  for (auto& own : sums) ptx::pin(own);
  ptx::fence_products();
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
#pragma unroll
    for (int column = 0; column < 3; ++column) {
      ptx::multiply_add_transposed_async(sums[column], grad[step],
                                         ptx::move_descriptor(middle, 16 * step + column - 1));
    }
  }
  ptx::commit_products();
  ptx::wait_products<0>();
  for (auto& own : sums) ptx::pin(own);
}

// The sums over all pixels of `grad`, of the two channels that this thread's fragments hold.
__device__ __forceinline__ void add_bias(float2& bias, const Fragments& grad) {
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float2 lower = unpack<__nv_bfloat16>(grad[step][2 * half]);
      const float2 upper = unpack<__nv_bfloat16>(grad[step][2 * half + 1]);
      bias.x += lower.x + lower.y;
      bias.y += upper.x + upper.y;
    }
  }
}

__device__ __forceinline__ void store_partials(const FilterTask& task, const FilterSums& sums,
                                               float2 bias, int row) {
  const int lane = threadIdx.x % 32, channel = threadIdx.x % kWarpgroup / 32 * 16 + lane / 4;
  float* const partial = task.partials + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * kPartial;
#pragma unroll
  for (int column = 0; column < 3; ++column) {
    float* const filter = partial + (3 * row + column) * kFilterSize + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kChannels / 8; ++n) {
      const float* own = sums[column] + 4 * n;
      float* const place = filter + channel * kChannels + 8 * n;
      *reinterpret_cast<float2*>(place) = {own[0], own[1]};
      *reinterpret_cast<float2*>(place + 8 * kChannels) = {own[2], own[3]};
    }
  }
  for (int step = 1; step < 4; step *= 2) {
    bias.x += __shfl_xor_sync(0xffffffffu, bias.x, step);
    bias.y += __shfl_xor_sync(0xffffffffu, bias.y, step);
  }
  if (row == 1 && lane % 4 == 0) {
    partial[kTaps * kFilterSize + channel] = bias.x;
    partial[kTaps * kFilterSize + channel + 8] = bias.y;
  }
}

__device__ __forceinline__ void sum_filter_chunks(const FilterTask& task, uint32_t shared,
                                                  int first, int last) {
  const int row = threadIdx.x / kWarpgroup - 1;  // of the filter
  const int warp = threadIdx.x % kWarpgroup / 32, lane = threadIdx.x % 32;
  const uint32_t own = FilterMemory::kGrad +
                       ((warp * 2 + lane / 8 % 2) * kChunk + lane / 16 * 8 + lane % 8) * kSlotBytes;
  FilterSums sums = {};
  float2 bias = {0.0f, 0.0f};
  Fragments grad;
  Turn<kFilterStages> turn;
#pragma unroll 1
  for (int chunk = first; chunk < last; ++chunk, turn.next()) {
    const uint32_t stage = shared + turn.stage * FilterMemory::kStageBytes;
    ptx::wait(shared + FilterMemory::kFull + 8 * turn.stage, turn.parity);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      ptx::load_matrices_transposed(grad[step], stage + own + step * 16 * kSlotBytes);
    }
    if (row == 1) add_bias(bias, grad);
    multiply_chunk(sums, grad, stage, row, task.pitch);
    __syncwarp();
    if (lane == 0) ptx::arrive(shared + FilterMemory::kEmpty + 8 * turn.stage);
  }
  store_partials(task, sums, bias, row);
}

__global__ void __launch_bounds__(kFilterThreads, 1)
    residual_trunk_filters_kernel(const __grid_constant__ FilterTask task) {
  const uint32_t shared = __shfl_sync(0xffffffffu, ptx::dynamic_shared(), 0);
  const int first = blockIdx.x * task.chunks_per_cta;
  const int last = min(first + task.chunks_per_cta, task.chunks);
  if (threadIdx.x == 0) {
    for (int i = 0; i < kFilterStages; ++i) {
      ptx::init_barrier(shared + FilterMemory::kFull + 8 * i, 1);
      ptx::init_barrier(shared + FilterMemory::kEmpty + 8 * i, 3 * kWarps);
    }
    ptx::fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x < kWarpgroup) {
    ptx::release_registers<32>();
    if (threadIdx.x == 0) load_filter_chunks(task, shared, first, last);
  } else {
    ptx::claim_registers<160>();
    sum_filter_chunks(task, shared, first, last);
  }
}

struct FilterGradients {
  __nv_bfloat16 *filters[2], *biases[2];  // [64][64][3][3], [64]
};

constexpr int kSumThreads = 256;

// Adds the `shares` partials of each convolution. Grid: (kPartial / kSumThreads rounded up, 2).
__global__ void __launch_bounds__(kSumThreads)
    sum_partials_kernel(const float* partials, int shares,
                        const __grid_constant__ FilterGradients gradients) {
  const int i = blockIdx.x * kSumThreads + threadIdx.x;
  if (i >= kPartial) return;
  const float* from = partials + int64_t{blockIdx.y} * shares * kPartial + i;
  float sum = 0.0f;
  for (int share = 0; share < shares; ++share) sum += from[int64_t{share} * kPartial];
  const __nv_bfloat16 result = __float2bfloat16_rn(sum);
  if (i < kTaps * kFilterSize) {
    gradients.filters[blockIdx.y][i % kFilterSize * kTaps + i / kFilterSize] = result;
  } else {
    gradients.biases[blockIdx.y][i - kTaps * kFilterSize] = result;
  }
}

}  // namespace simgan::cuda::trunk
