// How fast is mma.sync m16n8k16 with both operands in registers? Prints JSON.
#include "../../csrc/cuda/ptx.cuh"
#include "measure.h"

namespace micro {
namespace {

namespace ptx = simgan::cuda::ptx;

constexpr int kTiles = 4, kColumns = 8;  // 64 x 64 sums per warp, as a convolution has
constexpr int kRounds = 2000;

__global__ void rate_kernel(const uint4* numbers, float* sink) {
  uint32_t a[kTiles][4], b[kColumns][2];
  for (int m = 0; m < kTiles; ++m) {
    const uint4 words = numbers[m * blockDim.x + threadIdx.x];
    a[m][0] = words.x, a[m][1] = words.y, a[m][2] = words.z, a[m][3] = words.w;
  }
  for (int n = 0; n < kColumns; ++n) {
    const uint4 words = numbers[(kTiles + n) * blockDim.x + threadIdx.x];
    b[n][0] = words.x, b[n][1] = words.y;
  }
  float sums[kTiles][kColumns][4] = {};
#pragma unroll 1
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        ptx::multiply_add<__nv_bfloat16>(sums[m][n], a[m], b[n][0], b[n][1]);
      }
    }
  }
  float sum = 0;
  for (const auto& row : sums) {
    for (const auto& tile : row) sum += tile[0] + tile[1] + tile[2] + tile[3];
  }
  sink[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

}  // namespace
}  // namespace micro

int main() {
  using namespace micro;
  const auto* numbers = reinterpret_cast<const uint4*>(to_device(random_numbers(1 << 18, 7)));
  const int ctas = multiprocessors();
  printf("{\"rates\": [\n");
  for (int warps : {4, 8}) {
    float* sink = to_device(std::vector<float>(ctas * warps * 32));
    const float ms = median_ms([&] { rate_kernel<<<ctas, warps * 32>>>(numbers, sink); });
    const double flop = 2.0 * 16 * 8 * 16 * kTiles * kColumns * kRounds * warps * ctas;
    printf("{\"warps\": %d, \"tflops\": %.1f}%s\n", warps, flop / ms / 1e9, warps == 8 ? "" : ",");
  }
  printf("]}\n");
  return 0;
}
