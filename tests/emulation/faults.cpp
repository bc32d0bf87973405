// Kernels that are wrong in one way each, to show that the emulator sees it; fault 0 is right.
#include "../../csrc/cuda/ptx.cuh"
#include "controls.h"

namespace {

using simgan::cuda::ptx::commit_copies;
using simgan::cuda::ptx::copy_async;
using simgan::cuda::ptx::dynamic_shared;
using simgan::cuda::ptx::load_matrices;
using simgan::cuda::ptx::load_matrices_transposed;
using simgan::cuda::ptx::load_shared;
using simgan::cuda::ptx::multiply_add;
using simgan::cuda::ptx::store_shared;
using simgan::cuda::ptx::wait_copies;

enum Fault {
  kNone,
  kNoWait,
  kNoBarrier,
  kLaneLeaves,
  kBarrierDiverges,
  kCollectivesDiverge,
  kBeyondShared,
  kMisaligned,
  kWriteAfterRead,
  kBeyondGlobal,
  kLeftCopy,
};

// c = a * b by both warps, each to its own c.
void multiply_kernel(const __half* a,  // [16][16]
                     const __half* b,  // [16][8]
                     float* c,         // [2][16][8]
                     int fault) {
  const uint32_t at_a = dynamic_shared(), at_b = at_a + 16 * 16 * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (warp == 0) copy_async(at_a + lane * 16, a + lane * 8, true);
  if (warp == 1 && lane < 16) copy_async(at_b + lane * 16, b + lane * 8, true);
  commit_copies();
  if (fault != kNoWait) wait_copies<0>();
  if (fault != kNoBarrier) __syncthreads();
  if (fault == kLaneLeaves && threadIdx.x == 5) return;
  uint32_t fragment_a[4], fragment_b[4];
  float d[4] = {};
  load_matrices(fragment_a, at_a + lane % 16 * 32 + lane / 16 * 16);
  load_matrices_transposed(fragment_b, at_b + lane % 16 * 16);
  if (fault == kCollectivesDiverge && lane % 2 == 0) load_matrices(fragment_a, at_a);
  multiply_add<__half>(d, fragment_a, fragment_b[0], fragment_b[1]);
  if (fault == kBarrierDiverges && warp == 1) __syncthreads();
  if (fault == kBeyondShared) load_shared<float>(at_a + 1024);
  if (fault == kMisaligned) load_shared<float>(at_a + 2);
  if (fault == kWriteAfterRead && warp == 1) store_shared(at_a, 0.0f);
  if (fault == kLeftCopy && threadIdx.x < 16) copy_async(at_b + 256 + 16 * lane, a, false);
  float* to = c + (fault == kBeyondGlobal ? warp + 1 : warp) * 128 + lane / 4 * 8 + lane % 4 * 2;
  to[0] = d[0];
  to[1] = d[1];
  to[64] = d[2];
  to[65] = d[3];
}

}  // namespace

extern "C" {

int multiply(const void* a, const void* b, float* c, int fault, int shared_bytes) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(64);
  config.dynamicSmemBytes = shared_bytes;
  return cudaLaunchKernelEx(&config, multiply_kernel, static_cast<const __half*>(a),
                            static_cast<const __half*>(b), c, fault);
}

uint16_t half_of(float value) {
  return __float2half_rn(value).bits;
}

uint16_t bfloat16_of(float value) {
  return __float2bfloat16_rn(value).bits;
}

float float_of_half(uint16_t bits) {
  return __half2float(__half{bits});
}

}  // extern "C"
