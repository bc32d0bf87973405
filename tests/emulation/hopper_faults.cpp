// Kernels for sm_90a that are wrong in one way each, as in faults.cpp; and the kernels with which
// benchmarks/micro asks a GPU whether the emulator's wgmma is right.
#include "../../benchmarks/micro/wgmma_checks.cuh"
#include "../../csrc/cuda/hopper_ptx.cuh"
#include "../../csrc/cuda/numbers.cuh"
#include "../../csrc/cuda/wgmma.cuh"
#include "controls.h"

namespace {

namespace ptx = simgan::cuda::ptx;

constexpr int kColumns = 112, kPlaneBytes = kColumns * 16, kBytes = 2 * kPlaneBytes;
constexpr int kResultBytes = 8 * kPlaneBytes;

enum Fault {
  kNone,
  kNoProductFence,
  kNoProductWait,
  kNoAsyncFence,
  kNoAsyncFenceBeforeStore,
  kNoBarrierWait,
  kTooManyBytes,
  kOddCopy,
  kTooManyArrivals,
  kFragmentChanges,
  kStoreNotAwaited,
  kEarlyOverwrite,
  kTooManyRegisters,
};

// out [8 planes][112][8] = a [64][16] * b [2 planes][112][8], 4 warps; a fifth one copies.
void multiply_kernel(const __nv_bfloat16* a, const uint4* b, __nv_bfloat16* out, int fault) {
  const uint32_t shared = ptx::dynamic_shared(), result = shared + kBytes;
  const uint32_t barrier = result + kResultBytes;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (threadIdx.x == 0) {
    ptx::init_barrier(barrier, 1);
    ptx::fence_barrier_init();
  }
  __syncthreads();
  if (warp == 4 && lane == 0) {
    ptx::arrive_expecting(barrier, kPlaneBytes + (fault == kTooManyBytes ? 16 : 0));
    if (fault == kTooManyArrivals) ptx::arrive(barrier);
    ptx::copy_bulk(shared, b, kPlaneBytes - (fault == kOddCopy ? 8 : 0), barrier);
  }
  // The second plane comes by the threads themselves.
  for (int i = threadIdx.x; i < kColumns; i += blockDim.x) {
    ptx::store_shared(shared + kPlaneBytes + i * 16, b[kColumns + i]);
  }
  if (fault != kNoAsyncFence) ptx::fence_async();
  __syncthreads();
  if (fault == kTooManyRegisters) ptx::claim_registers<256>();
  if (warp < 4) {
    if (fault != kNoBarrierWait) ptx::wait(barrier, 0);
    uint32_t fragment[4];
    for (int r = 0; r < 4; ++r) {
      const int row = warp * 16 + lane / 4 + r % 2 * 8, column = lane % 4 * 2 + r / 2 * 8;
      std::memcpy(&fragment[r], a + row * 16 + column, 4);
    }
    float sums[56] = {};
    if (fault != kNoProductFence) ptx::fence_products();
    ptx::multiply_add_async(sums, fragment, ptx::matrix_descriptor(shared, kPlaneBytes, 128));
    ptx::commit_products();
    if (fault == kEarlyOverwrite && threadIdx.x == 0) ptx::store_shared(shared + kPlaneBytes, 0u);
    if (fault == kFragmentChanges) fragment[0] = 0;
    if (fault != kNoProductWait) ptx::wait_products<0>();
    for (int tile = 0; tile < 7; ++tile) {
      uint32_t pairs[4];
      for (int i = 0; i < 4; ++i) {
        const float* own = sums + 8 * tile + i / 2 * 4 + i % 2 * 2;
        pairs[i] = simgan::cuda::pack<__nv_bfloat16>({own[0], own[1]});
      }
      const int plane = warp * 2 + lane / 8 % 2, slot = 16 * tile + lane / 16 * 8 + lane % 8;
      ptx::store_matrices_transposed(result + plane * kPlaneBytes + slot * 16, pairs);
    }
    if (fault != kNoAsyncFenceBeforeStore) ptx::fence_async();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::copy_bulk_out(out, result, kResultBytes);
    ptx::commit_bulk();
    if (fault != kStoreNotAwaited) ptx::wait_bulk();
  }
}

int launch(auto kernel, int threads, int shared_bytes, auto... arguments) {
  const cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (error != cudaSuccess) return error;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace

extern "C" {

int multiply(const __nv_bfloat16* a, const uint4* b, __nv_bfloat16* out, int fault) {
  return launch(multiply_kernel, 160, kBytes + kResultBytes + 16, a, b, out, fault);
}

int check_shift(const uint4* map, const __nv_bfloat16* weight, int shift, float* out) {
  return launch(micro::check_shift_kernel, 128, micro::kMapBytes, map, weight, shift, out);
}

int check_transposed(const uint4* map, const uint4* grad, int shift, int swapped, float* out) {
  const int bytes = micro::kMapBytes + micro::kPixels * micro::kChannels * 2;
  return launch(micro::check_transposed_kernel, 128, bytes, map, grad, shift, swapped != 0, out);
}

}  // extern "C"
