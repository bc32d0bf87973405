// Kernels that show how wgmma reads a moved operand from shared memory; their results are compared
// with a calculation on the CPU (wgmma.cu on a GPU, the emulator's tests without one).
#pragma once

#include "../../csrc/cuda/hopper_ptx.cuh"
#include "../../csrc/cuda/numbers.cuh"
#include "../../csrc/cuda/wgmma.cuh"

namespace micro {

namespace ptx = simgan::cuda::ptx;

constexpr int kPlanes = 8, kPlaneChannels = 8, kSlotBytes = 16, kChannels = 64;
constexpr int kSlots = 336, kMiddle = 112;  // of a plane; where shift 0 starts
constexpr int kPixels = 112;
constexpr int kMapBytes = kSlots * kChannels * 2;

// [8 planes][slots][8 channels] to the start of shared memory, shown to the tensor cores.
__device__ inline void fill_shared(uint32_t to, const uint4* map, int count) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    ptx::store_shared(to + i * 16, map[i]);
  }
  ptx::fence_async();
  __syncthreads();
}

// out[64][112] = weight[64][64] * the pixels from `shift` slots on. One CTA of 128 threads.
__global__ void __launch_bounds__(128, 1)
    check_shift_kernel(const uint4* map, const __nv_bfloat16* weight, int shift, float* out) {
  const uint32_t shared = ptx::dynamic_shared();
  fill_shared(shared, map, kMapBytes / 16);
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  const auto pair = [&](int r, int c) {
    const __nv_bfloat16* from = weight + r * kChannels + c;
    return simgan::cuda::pack<__nv_bfloat16>(
        {simgan::cuda::to_float(from[0]), simgan::cuda::to_float(from[1])});
  };
  uint32_t fragments[kChannels / 16][4];
#pragma unroll
  for (int k = 0; k < kChannels / 16; ++k) {
    const int column = 16 * k + lane % 4 * 2;
    fragments[k][0] = pair(row, column);
    fragments[k][1] = pair(row + 8, column);
    fragments[k][2] = pair(row, column + 8);
    fragments[k][3] = pair(row + 8, column + 8);
  }
  float sums[kPixels / 2] = {};
  const uint64_t start =
      ptx::matrix_descriptor(shared + kMiddle * kSlotBytes, kSlots * kSlotBytes, 8 * kSlotBytes);
  ptx::pin(sums);
  ptx::fence_products();
#pragma unroll
  for (int k = 0; k < kChannels / 16; ++k) {
    ptx::multiply_add_async(sums, fragments[k],
                            ptx::move_descriptor(start, shift + 2 * k * kSlots));
  }
  ptx::commit_products();
  ptx::wait_products<0>();
  ptx::pin(sums);
#pragma unroll
  for (int i = 0; i < kPixels / 2; ++i) {
    const int r = row + i / 2 % 2 * 8, pixel = i / 4 * 8 + lane % 4 * 2 + i % 2;
    out[r * kPixels + pixel] = sums[i];
  }
}

// out[64][64] = sum over 112 pixels of grad[pixel][row] * map[pixel + shift][column]: the
// transposed operand. `swapped` exchanges the descriptor's two distances, to see which way round is
// right.
__global__ void __launch_bounds__(128, 1)
    check_transposed_kernel(const uint4* map, const uint4* grad, int shift, bool swapped,
                            float* out) {
  const uint32_t shared = ptx::dynamic_shared(), grads = shared + kMapBytes;
  fill_shared(shared, map, kMapBytes / 16);
  fill_shared(grads, grad, kPixels * kPlanes);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t own =
      grads + ((warp * 2 + lane / 8 % 2) * kPixels + lane / 16 * 8 + lane % 8) * kSlotBytes;
  uint32_t fragments[kPixels / 16][4];
#pragma unroll
  for (int k = 0; k < kPixels / 16; ++k) {
    ptx::load_matrices_transposed(fragments[k], own + k * 16 * kSlotBytes);
  }
  const uint32_t by_pixel = 8 * kSlotBytes, by_channel = kSlots * kSlotBytes;
  const uint64_t start =
      ptx::matrix_descriptor(shared + kMiddle * kSlotBytes, swapped ? by_channel : by_pixel,
                             swapped ? by_pixel : by_channel);
  float sums[kChannels / 2] = {};
  ptx::pin(sums);
  ptx::fence_products();
#pragma unroll
  for (int k = 0; k < kPixels / 16; ++k) {
    ptx::multiply_add_transposed_async(sums, fragments[k],
                                       ptx::move_descriptor(start, shift + 16 * k));
  }
  ptx::commit_products();
  ptx::wait_products<0>();
  ptx::pin(sums);
#pragma unroll
  for (int i = 0; i < kChannels / 2; ++i) {
    const int row = warp * 16 + lane / 4 + i / 2 % 2 * 8;
    out[row * kChannels + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

}  // namespace micro
