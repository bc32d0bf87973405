// The residual block (paper, section 2.4) on tensor cores: launchers.
// NOT RUN on a GPU yet: compiled, and run by the emulator of the tests.
#include <algorithm>
#include <type_traits>

#include "../launchers.h"
#include "residual_block_filters.cuh"
#include "residual_block_kernel.cuh"

namespace simgan::cuda {
namespace {

constexpr int64_t kMostPositions = 1 << 28;  // of an image, and of a block's walk
constexpr int kFewestColumns = 32;           // of a strip; rather one block per multiprocessor

struct Gpu {
  int multiprocessors = 0;
  int shared_per_multiprocessor = 0;
  int shared_per_block = 0;
};

cudaError_t this_gpu(Gpu* gpu) {
  int device = 0;
  cudaError_t error = cudaGetDevice(&device);
  const auto ask = [&](int* value, cudaDeviceAttr what) {
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(value, what, device);
  };
  ask(&gpu->multiprocessors, cudaDevAttrMultiProcessorCount);
  ask(&gpu->shared_per_multiprocessor, cudaDevAttrMaxSharedMemoryPerMultiprocessor);
  ask(&gpu->shared_per_block, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  return error;
}

// How a grid covers the stream.
struct Plan {
  StreamShape shape;
  dim3 grid;
  int64_t shared_bytes;
};

// The widest strips whose window fits; `bytes_of(columns)` is the memory of one block. Several
// blocks per multiprocessor are wanted: one calculates while another waits.
template <typename BytesOf>
cudaError_t make_plan(const BlockShape& maps, const Gpu& gpu, int chunk, int wanted,
                      const BytesOf& bytes_of, Plan* plan) {
  const int64_t kept_back = 1024;  // by the hardware, per block
  const auto widest = [&](int64_t bytes) {
    const int64_t per_column = bytes_of(1) - bytes_of(0);
    return (bytes - bytes_of(0)) / per_column;
  };
  int64_t blocks = int64_t{wanted} * gpu.multiprocessors;
  int64_t columns = widest(
      std::min(gpu.shared_per_multiprocessor / wanted - kept_back, int64_t{gpu.shared_per_block}));
  if (columns < std::min<int64_t>(maps.width, kFewestColumns)) {
    columns = widest(gpu.shared_per_block);
    blocks = gpu.multiprocessors;
  }
  int64_t strips = 1;
  if (columns >= maps.width) {
    columns = maps.width;
  } else {
    if (columns <= 2 * kHalo) return cudaErrorInvalidValue;
    strips = (maps.width - 1) / (columns - 2 * kHalo) + 1;
    columns = (maps.width - 1) / strips + 1 + 2 * kHalo;
  }
  const int64_t image = maps.height * columns;
  if (maps.images < 1 || image < 1 || image > kMostPositions || strips > 65535) {
    return cudaErrorInvalidValue;
  }
  const int64_t chunks = (maps.images * image - 1) / chunk + 1;
  const int64_t share = (chunks - 1) / std::max<int64_t>(1, blocks / strips) + 1;
  const int64_t per_block = std::min(share, kMostPositions / chunk);
  plan->shape = {maps.images,
                 static_cast<int>(maps.height),
                 static_cast<int>(maps.width),
                 static_cast<int>(columns),
                 static_cast<int>(strips),
                 static_cast<int>(per_block),
                 Divisor::of(static_cast<uint32_t>(columns)),
                 Divisor::of(static_cast<uint32_t>(maps.height))};
  plan->grid =
      dim3(static_cast<unsigned>((chunks - 1) / per_block + 1), static_cast<unsigned>(strips));
  plan->shared_bytes = bytes_of(static_cast<int>(columns));
  return cudaSuccess;
}

template <int kChannels>
cudaError_t plan_block(const BlockShape& maps, Plan* plan) {
  Gpu gpu;
  const cudaError_t error = this_gpu(&gpu);
  if (error != cudaSuccess) return error;
  return make_plan(maps, gpu, kChunk, kBlocksWanted, BlockMemory<kChannels>::bytes, plan);
}

template <int kChannels>
cudaError_t plan_filters(const BlockShape& maps, Plan* plan) {
  Gpu gpu;
  const cudaError_t error = this_gpu(&gpu);
  if (error != cudaSuccess) return error;
  return make_plan(maps, gpu, kFilterChunk, FilterLayout<kChannels>::kBlocksWanted,
                   FilterLayout<kChannels>::bytes, plan);
}

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, int64_t shared_bytes,
                   void* stream, const Arguments&... arguments) {
  cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           static_cast<int>(shared_bytes));
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                 cudaSharedmemCarveoutMaxShared);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = static_cast<cudaStream_t>(stream);
  if (error == cudaSuccess) error = cudaLaunchKernelEx(&config, kernel, arguments...);
  if (error != cudaSuccess) cudaGetLastError();  // told once: the next to ask must not find it
  return error;
}

// Calls call(Element{}, integral_constant<channels>{}) if there is a kernel for both.
template <typename Call>
int choose(ElementType type, int64_t channels, const Call& call) {
  const auto with_channels = [&](auto element) -> int {
    if (channels == 16) return call(element, std::integral_constant<int, 16>{});
    if (channels == 32) return call(element, std::integral_constant<int, 32>{});
    if (channels == 48) return call(element, std::integral_constant<int, 48>{});
    if (channels == 64) return call(element, std::integral_constant<int, 64>{});
    return cudaErrorInvalidValue;
  };
  if (type == kBfloat16) return with_channels(__nv_bfloat16{});
  if (type == kHalf) return with_channels(__half{});
  return cudaErrorInvalidValue;
}

template <bool kBackward>
int run_block(const HalfBlock& block, const BlockShape& maps, ElementType type, void* stream) {
  return choose(type, maps.channels, [&](auto element, auto channels) -> int {
    using Element = decltype(element);
    Plan plan;
    const cudaError_t error = plan_block<channels()>(maps, &plan);
    if (error != cudaSuccess) return error;
    const BlockTask<Element> task = {plan.shape,
                                     static_cast<const Element*>(block.input),
                                     static_cast<const Element*>(block.filters),
                                     static_cast<const Element*>(block.bias1),
                                     static_cast<const Element*>(block.bias2),
                                     static_cast<const Element*>(block.gate),
                                     static_cast<Element*>(block.between),
                                     static_cast<Element*>(block.output)};
    return launch(residual_block_kernel<Element, channels(), kBackward>, plan.grid, kBlockThreads,
                  plan.shared_bytes, stream, task);
  });
}

}  // namespace

int residual_block_forward(const HalfBlock& block, const BlockShape& maps, ElementType type,
                           void* stream) {
  return run_block<false>(block, maps, type, stream);
}

int residual_block_backward(const HalfBlock& block, const BlockShape& maps, ElementType type,
                            void* stream) {
  return run_block<true>(block, maps, type, stream);
}

int residual_block_partials(const BlockShape& maps, int64_t* count) {
  return choose(kHalf, maps.channels, [&](auto, auto channels) -> int {
    Plan plan;
    const cudaError_t error = plan_filters<channels()>(maps, &plan);
    if (error != cudaSuccess) return error;
    *count = int64_t{plan.grid.x} * plan.grid.y * FilterLayout<channels()>::kSums;
    return cudaSuccess;
  });
}

int residual_block_filter_gradient(const void* input, const void* grad, const BlockShape& maps,
                                   ElementType type, float* partials, void* filters, void* bias,
                                   void* stream) {
  return choose(type, maps.channels, [&](auto element, auto channels) -> int {
    using Element = decltype(element);
    using Layout = FilterLayout<channels()>;
    Plan plan;
    cudaError_t error = plan_filters<channels()>(maps, &plan);
    if (error != cudaSuccess) return error;
    const FilterTask<Element> task = {plan.shape, static_cast<const Element*>(input),
                                      static_cast<const Element*>(grad), partials};
    error = launch(residual_block_filters_kernel<Element, channels()>, plan.grid, Layout::kThreads,
                   plan.shared_bytes, stream, task);
    if (error != cudaSuccess) return error;
    const int biases = channels(), weights = Layout::kSums - biases;
    const int blocks = static_cast<int>(plan.grid.x * plan.grid.y);
    const dim3 grid((Layout::kSums - 1) / kSumThreads + 1);
    return launch(residual_block_sum_kernel<Element>, grid, kSumThreads, 0, stream,
                  static_cast<const float*>(partials), blocks, weights, biases,
                  static_cast<Element*>(filters), static_cast<Element*>(bias));
  });
}

}  // namespace simgan::cuda
