// How fast do all multiprocessors read from the L2 cache: by bulk copies to shared memory, as
// csrc/cuda/residual_trunk*.cuh reads, and by 16-byte loads? Prints JSON; checks what was read.
#include "../../csrc/cuda/hopper_ptx.cuh"
#include "measure.h"

namespace micro {
namespace {

namespace ptx = simgan::cuda::ptx;

constexpr int kPiece = 4096, kStages = 32, kRounds = 4096;  // bytes; copies per CTA
constexpr int kSharedBytes = kStages * (kPiece + 8);
constexpr size_t kBytes = size_t{16} << 20;  // well inside the L2

// Piece `i` that a CTA reads; neighbours read different ones at any time.
__device__ int64_t place_of(int i) {
  return (int64_t{i} * gridDim.x + blockIdx.x) * kPiece % kBytes;
}

__global__ void __launch_bounds__(32, 1) bulk_kernel(const char* from, uint32_t* sink) {
  const uint32_t shared = ptx::dynamic_shared(), barriers = shared + kStages * kPiece;
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) ptx::init_barrier(barriers + 8 * s, 1);
    ptx::fence_barrier_init();
  }
  __syncwarp();
  const auto start = [&](int i) {
    const uint32_t barrier = barriers + 8 * (i % kStages);
    ptx::arrive_expecting(barrier, kPiece);
    ptx::copy_bulk(shared + i % kStages * kPiece, from + place_of(i), kPiece, barrier);
  };
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) start(i);
  }
  uint32_t sum = 0;
  for (int i = 0; i < kRounds; ++i) {
    ptx::wait(barriers + 8 * (i % kStages), i / kStages & 1);
    sum += ptx::load_shared<uint32_t>(shared + i % kStages * kPiece + threadIdx.x * 4);
    __syncwarp();
    if (threadIdx.x == 0 && i + kStages < kRounds) start(i + kStages);
  }
  sink[blockIdx.x * 32 + threadIdx.x] = sum;
}

__global__ void __launch_bounds__(1024) load_kernel(const char* from, uint32_t* sink) {
  constexpr int kUnroll = 8;
  uint32_t sum = 0;
  for (int i = 0; i < kRounds * kPiece / (1024 * 16); i += kUnroll) {
    uint4 words[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const int64_t piece = (int64_t{i + u} * gridDim.x + blockIdx.x) * (1024 * 16) % kBytes;
      words[u] = __ldcg(reinterpret_cast<const uint4*>(from + piece) + threadIdx.x);
    }
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) sum += words[u].x ^ words[u].y ^ words[u].z ^ words[u].w;
  }
  sink[blockIdx.x * 1024 + threadIdx.x] = sum;
}

// What bulk_kernel must have added up in thread 0 of CTA 0.
uint32_t expected_sum(const std::vector<uint32_t>& words, int ctas) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < kRounds; ++i) sum += words[i * ctas * kPiece % kBytes / 4];
  return sum;
}

}  // namespace
}  // namespace micro

int main() {
  using namespace micro;
  std::vector<uint32_t> words(kBytes / 4);
  uint32_t state = 11;
  for (uint32_t& word : words) word = state = state * 1664525u + 1013904223u;
  const auto* from = reinterpret_cast<const char*>(to_device(words));
  const int ctas = multiprocessors();
  uint32_t* sink = to_device(std::vector<uint32_t>(ctas * 1024));
  const double bytes = double{kPiece} * kRounds * ctas;
  check(
      cudaFuncSetAttribute(bulk_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes),
      "shared memory");
  const float bulk = median_ms([&] { bulk_kernel<<<ctas, 32, kSharedBytes>>>(from, sink); });
  uint32_t sum = 0;
  check(cudaMemcpy(&sum, sink, sizeof sum, cudaMemcpyDeviceToHost), "copy");
  const bool right = sum == expected_sum(words, ctas);
  const float loads = median_ms([&] { load_kernel<<<ctas, 1024>>>(from, sink); });
  printf("{\"right\": %s, \"bulk_gbps\": %.0f, \"load_gbps\": %.0f}\n", right ? "true" : "false",
         bytes / bulk / 1e6, bytes / loads / 1e6);
  return right ? 0 : 1;
}
