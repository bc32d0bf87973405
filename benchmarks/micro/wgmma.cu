// Does wgmma read an operand without swizzle from any 16-byte address, which way round are the
// distances of a transposed one, and how fast are its shapes? Prints JSON; exit code 1 if it must
// not be used as csrc/cuda/residual_trunk*.cuh uses it.
#include <cmath>

#include "measure.h"
#include "wgmma_checks.cuh"
#include "wgmma_shapes.cuh"

namespace micro {
namespace {

double number(const std::vector<__nv_bfloat16>& map, int slots, int slot, int channel) {
  return __bfloat162float(map[(channel / 8 * slots + slot) * 8 + channel % 8]);
}

// Largest difference relative to the largest true value; NaN counts as infinite.
double largest_error(const std::vector<float>& result, const std::vector<double>& truth) {
  double error = 0, scale = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    const double difference = std::abs(result[i] - truth[i]);
    error = difference <= error ? error : std::isnan(difference) ? INFINITY : difference;
    scale = std::max(scale, std::abs(truth[i]));
  }
  return error / scale;
}

// The results of a check kernel, whose memory holds NaN before.
template <class Launch>
std::vector<float> results_of(size_t count, const Launch& launch) {
  std::vector<float> out(count, NAN);
  float* device = to_device(out);
  launch(device);
  check(cudaGetLastError(), "launch");
  check(cudaMemcpy(out.data(), device, count * sizeof(float), cudaMemcpyDeviceToHost), "kernel");
  check(cudaFree(device), "free");
  return out;
}

double shift_error(int shift) {
  const auto map = random_numbers(kSlots * kChannels, 1 + shift + kMiddle);
  const auto weight = random_numbers(kChannels * kChannels, 2);
  const auto* device_map = reinterpret_cast<const uint4*>(to_device(map));
  const __nv_bfloat16* device_weight = to_device(weight);
  const auto out = results_of(kChannels * kPixels, [&](float* to) {
    check_shift_kernel<<<1, 128, kMapBytes>>>(device_map, device_weight, shift, to);
  });
  std::vector<double> truth(out.size());
  for (int row = 0; row < kChannels; ++row) {
    for (int pixel = 0; pixel < kPixels; ++pixel) {
      for (int c = 0; c < kChannels; ++c) {
        truth[row * kPixels + pixel] += __bfloat162float(weight[row * kChannels + c]) *
                                        number(map, kSlots, kMiddle + pixel + shift, c);
      }
    }
  }
  return largest_error(out, truth);
}

double transposed_error(int shift, bool swapped) {
  const auto map = random_numbers(kSlots * kChannels, 3 + shift + kMiddle);
  const auto grad = random_numbers(kPixels * kChannels, 4);
  const auto* device_map = reinterpret_cast<const uint4*>(to_device(map));
  const auto* device_grad = reinterpret_cast<const uint4*>(to_device(grad));
  const int bytes = kMapBytes + kPixels * kChannels * 2;
  check(cudaFuncSetAttribute(check_transposed_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             bytes),
        "shared memory");
  const auto out = results_of(kChannels * kChannels, [&](float* to) {
    check_transposed_kernel<<<1, 128, bytes>>>(device_map, device_grad, shift, swapped, to);
  });
  std::vector<double> truth(out.size());
  for (int row = 0; row < kChannels; ++row) {
    for (int column = 0; column < kChannels; ++column) {
      for (int pixel = 0; pixel < kPixels; ++pixel) {
        truth[row * kChannels + column] += number(grad, kPixels, pixel, row) *
                                           number(map, kSlots, kMiddle + pixel + shift, column);
      }
    }
  }
  return largest_error(out, truth);
}

constexpr int kGroup = 36;  // products between two waits: those of a convolution

// Products as in the kernels: operand B moves by the taps of a map 56 slots wide.
template <int kColumns, bool kRegisters>
__global__ void __launch_bounds__(256, 1)
    rate_kernel(const uint4* map, int bytes, int rounds, float* sink) {
  const uint32_t shared = ptx::dynamic_shared();
  fill_shared(shared, map, bytes / 16);
  constexpr int kFragments = kColumns <= 128 ? kGroup / 2 : 4;
  uint32_t fragments[kFragments][4];
  for (int i = 0; i < kFragments; ++i) {
    const uint4 words = map[i * 256 + threadIdx.x];
    fragments[i][0] = words.x, fragments[i][1] = words.y;
    fragments[i][2] = words.z, fragments[i][3] = words.w;
  }
  float sums[kColumns / 2] = {};
  const int slots = bytes / 128;
  const uint64_t b = ptx::matrix_descriptor(shared + 64 * kSlotBytes, slots * kSlotBytes, 128);
  const uint64_t a = ptx::matrix_descriptor(shared, slots * kSlotBytes, 128);
#pragma unroll 1
  for (int round = 0; round < rounds; ++round) {
    ptx::pin(sums);
    ptx::fence_products();
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      const int shift = (i / 12 - 1) * 56 + i / 4 % 3 - 1 + i % 4 * 2 * slots;
      const uint64_t moved = ptx::move_descriptor(b, shift);
      if constexpr (kRegisters) {
        multiply_rs(sums, fragments[i % kFragments], moved);
      } else {
        multiply_ss(sums, ptx::move_descriptor(a, i % 4 * 2 * slots), moved);
      }
    }
    ptx::commit_products();
    ptx::wait_products<0>();
    ptx::pin(sums);
  }
  float sum = 0;
  for (float one : sums) sum += one;
  sink[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

template <int kColumns, bool kRegisters>
void print_rate(int warpgroups, bool last) {
  constexpr int kBytes = 384 * 128, kRounds = 4000;
  const auto* map = reinterpret_cast<const uint4*>(to_device(random_numbers(1 << 18, 5)));
  const int ctas = multiprocessors();
  float* sink = to_device(std::vector<float>(ctas * 256));
  const auto kernel = rate_kernel<kColumns, kRegisters>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
        "shared memory");
  const float ms =
      median_ms([&] { kernel<<<ctas, 128 * warpgroups, kBytes>>>(map, kBytes, kRounds, sink); });
  const double flop = 2.0 * 64 * kColumns * 16 * kGroup * kRounds * warpgroups * ctas;
  printf("{\"columns\": %d, \"a\": \"%s\", \"warpgroups\": %d, \"tflops\": %.1f}%s\n", kColumns,
         kRegisters ? "registers" : "shared", warpgroups, flop / ms / 1e9, last ? "" : ",");
}

}  // namespace
}  // namespace micro

int main() {
  using namespace micro;
  constexpr double kMost = 1e-5;  // bf16 products are exact in float; sums of 112 of them
  double shifted = 0, documented = 0, swapped = INFINITY;
  for (int shift : {-57, -56, -55, -1, 0, 1, 2, 3, 5, 8, 55, 56, 57, 111}) {
    shifted = std::max(shifted, shift_error(shift));
    documented = std::max(documented, transposed_error(shift, false));
    swapped = std::min(swapped, transposed_error(shift, true));
  }
  const bool right = shifted < kMost && documented < kMost;
  printf(
      "{\"shifted_error\": %.3g, \"transposed_error\": %.3g, \"transposed_swapped_error\": "
      "%.3g, \"right\": %s,\n\"rates\": [\n",
      shifted, documented, swapped, right ? "true" : "false");
  for (int warpgroups : {1, 2}) {
    print_rate<112, true>(warpgroups, false);
    print_rate<112, false>(warpgroups, false);
    print_rate<64, true>(warpgroups, false);
    print_rate<64, false>(warpgroups, false);
    print_rate<128, true>(warpgroups, false);
    print_rate<128, false>(warpgroups, false);
    print_rate<256, true>(warpgroups, false);
    print_rate<256, false>(warpgroups, warpgroups == 2);
  }
  printf("]}\n");
  return right ? 0 : 1;
}
