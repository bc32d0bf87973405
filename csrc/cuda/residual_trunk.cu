// All residual blocks of the refiner (paper, section 2.4) on sm_90a: launchers.
// NOT RUN on a GPU yet: compiled, and run by the emulator of the tests.
#include <algorithm>
#include <utility>

#include "../launchers.h"
#include "residual_trunk_filters.cuh"
#include "residual_trunk_kernel.cuh"

namespace simgan::cuda {
namespace trunk {
namespace {

constexpr int64_t kMostSlots = int64_t{1} << 30;
constexpr int64_t kAlignment = 128;
constexpr int64_t kFilterBytes = 2 * kFragments * kWarpgroup * sizeof(uint4);  // of a block

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, int shared_bytes,
                   void* stream, const Arguments&... arguments) {
  const cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (error != cudaSuccess) return error;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = static_cast<cudaStream_t>(stream);
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

// Runs the calls in order until one fails.
template <typename... Calls>
int in_order(const Calls&... calls) {
  cudaError_t error = cudaSuccess;
  ((error = calls(), error == cudaSuccess) && ...);
  return error;
}

// Places in a workspace.
class Layout {
 public:
  explicit Layout(void* start) : start_(static_cast<char*>(start)) {}
  void* take(int64_t bytes) {
    char* const place = start_ + used_;
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return place;
  }
  int64_t used() const {
    return used_;
  }

 private:
  char* start_;
  int64_t used_ = 0;
};

class Launcher {
 public:
  Launcher(const Trunk& trunk, void* stream)
      : trunk_(trunk),
        shape_{trunk.maps.images, static_cast<int>(trunk.maps.height),
               static_cast<int>(trunk.maps.width)},
        stream_(stream) {}

  bool fits() const {
    const BlockShape& maps = trunk_.maps;
    if (maps.channels != kChannels || maps.images < 1 || maps.height < 1 || maps.width < 1) {
      return false;
    }
    return maps.width + 2 <= kMostMargin && trunk_.blocks >= 1 &&
           maps.images <= kMostSlots / ((maps.height + 1) * (maps.width + 1));
  }

  int64_t stream_bytes() const {
    return shape_.slots() * kChannels * 2;
  }
  int64_t inside_bytes() const {
    return (shape_.chunks() + 2) * int64_t{sizeof(uint4)};
  }

  cudaError_t mark_inside(void* inside) const {
    return launch(mark_inside_kernel, dim3(shape_.chunks() + 2), 128, 0, stream_, shape_,
                  static_cast<uint32_t*>(inside));
  }
  cudaError_t pack_filters(int64_t block, bool gradient, void* filters) const {
    const void* const* parameters = trunk_.parameters + 4 * block;
    return launch(pack_filters_kernel, dim3(kFragments, 2), kWarpgroup, 0, stream_,
                  static_cast<const __nv_bfloat16*>(parameters[0]),
                  static_cast<const __nv_bfloat16*>(parameters[2]), gradient,
                  static_cast<uint4*>(filters));
  }
  cudaError_t to_stream(const void* maps, const void* gate, void* to) const {
    return launch(to_stream_kernel, convert_grid(), kConvertThreads, 0, stream_, shape_,
                  static_cast<const uint4*>(maps), static_cast<const uint4*>(gate),
                  static_cast<uint4*>(to));
  }
  cudaError_t from_stream(const void* from, void* maps) const {
    return launch(from_stream_kernel, convert_grid(), kConvertThreads, 0, stream_, shape_,
                  static_cast<const uint4*>(from), static_cast<uint4*>(maps));
  }

  // CTAs of a launch that share the chunks, at most `most`.
  int share(int most, int* chunks_per_cta) const {
    *chunks_per_cta = (shape_.chunks() - 1) / most + 1;
    return (shape_.chunks() - 1) / *chunks_per_cta + 1;
  }

  template <bool kBackward>
  cudaError_t run_block(BlockTask task) const {
    int multiprocessors;
    const cudaError_t error = count_multiprocessors(&multiprocessors);
    if (error != cudaSuccess) return error;
    set_sizes(task);
    const dim3 grid(share(multiprocessors, &task.chunks_per_cta));
    return launch(residual_trunk_kernel<kBackward>, grid, kBlockThreads,
                  BlockMemory<kBackward>::kBytes, stream_, task);
  }

  // Half of the GPU for each convolution.
  cudaError_t filter_shares(int* shares, int* chunks_per_cta) const {
    int multiprocessors;
    const cudaError_t error = count_multiprocessors(&multiprocessors);
    if (error == cudaSuccess) *shares = share(std::max(1, multiprocessors / 2), chunks_per_cta);
    return error;
  }

  cudaError_t run_filters(FilterTask task, const FilterGradients& gradients) const {
    int shares;
    cudaError_t error = filter_shares(&shares, &task.chunks_per_cta);
    if (error != cudaSuccess) return error;
    set_sizes(task);
    error = launch(residual_trunk_filters_kernel, dim3(shares, 2), kFilterThreads,
                   FilterMemory::kBytes, stream_, task);
    if (error != cudaSuccess) return error;
    return launch(sum_partials_kernel, dim3((kPartial - 1) / kSumThreads + 1, 2), kSumThreads, 0,
                  stream_, static_cast<const float*>(task.partials), shares, gradients);
  }

 private:
  static cudaError_t count_multiprocessors(int* count) {
    int device = 0;
    const cudaError_t error = cudaGetDevice(&device);
    if (error != cudaSuccess) return error;
    return cudaDeviceGetAttribute(count, cudaDevAttrMultiProcessorCount, device);
  }

  template <typename Task>
  void set_sizes(Task& task) const {
    task.slots = shape_.slots();
    task.lead = shape_.lead();
    task.pitch = shape_.pitch();
    task.margin = shape_.margin();
    task.chunks = shape_.chunks();
  }

  dim3 convert_grid() const {
    return dim3(static_cast<unsigned>((shape_.slots() - 1) / kConvertSlots + 1));
  }

  const Trunk& trunk_;
  const StreamShape shape_;
  void* const stream_;
};

__nv_bfloat16* numbers(void* address) {
  return static_cast<__nv_bfloat16*>(address);
}
const __nv_bfloat16* numbers(const void* address) {
  return static_cast<const __nv_bfloat16*>(address);
}

// What a pass needs beside the activations that the forward pass keeps.
struct Places {
  void *inside, *filters, *streams[3], *partials;

  Places(const Launcher& launcher, int filter_shares, Layout& layout)
      : inside(layout.take(launcher.inside_bytes())),
        filters(layout.take(kFilterBytes)),
        streams{layout.take(launcher.stream_bytes()), layout.take(launcher.stream_bytes()),
                layout.take(launcher.stream_bytes())},
        partials(layout.take(int64_t{2} * filter_shares * kPartial * sizeof(float))) {}
};

}  // namespace
}  // namespace trunk

int residual_trunk_sizes(const Trunk& trunk, int64_t* kept, int64_t* workspace) {
  const trunk::Launcher launcher(trunk, nullptr);
  if (!launcher.fits()) return cudaErrorInvalidValue;
  int shares, chunks;
  const cudaError_t error = launcher.filter_shares(&shares, &chunks);
  if (error != cudaSuccess) return error;
  trunk::Layout layout(nullptr);
  trunk::Places(launcher, shares, layout);
  *kept = 2 * trunk.blocks * launcher.stream_bytes();
  *workspace = layout.used();
  return cudaSuccess;
}

int residual_trunk_forward(const Trunk& trunk, const void* input, void* kept, void* workspace,
                           void* output, void* stream) {
  const trunk::Launcher launcher(trunk, stream);
  if (!launcher.fits()) return cudaErrorInvalidValue;
  trunk::Layout layout(workspace);
  const trunk::Places places(launcher, 0, layout);
  const auto input_of = [&](int64_t block) -> void* {
    if (kept == nullptr || block == trunk.blocks) return places.streams[block % 2];
    return static_cast<char*>(kept) + 2 * block * launcher.stream_bytes();
  };
  int error = trunk::in_order([&] { return launcher.mark_inside(places.inside); },
                              [&] { return launcher.to_stream(input, nullptr, input_of(0)); });
  for (int64_t block = 0; block < trunk.blocks && error == cudaSuccess; ++block) {
    trunk::BlockTask task{};
    task.input = trunk::numbers(input_of(block));
    task.filters = static_cast<const uint4*>(places.filters);
    task.bias1 = trunk::numbers(trunk.parameters[4 * block + 1]);
    task.bias2 = trunk::numbers(trunk.parameters[4 * block + 3]);
    if (kept != nullptr) {
      task.between =
          trunk::numbers(static_cast<char*>(kept) + (2 * block + 1) * launcher.stream_bytes());
    }
    task.output = trunk::numbers(input_of(block + 1));
    task.inside = static_cast<const uint4*>(places.inside);
    error = trunk::in_order([&] { return launcher.pack_filters(block, false, places.filters); },
                            [&] { return launcher.run_block<false>(task); });
  }
  if (error != cudaSuccess) return error;
  return launcher.from_stream(input_of(trunk.blocks), output);
}

int residual_trunk_backward(const Trunk& trunk, const void* grad, const void* output,
                            const void* kept, void* workspace, const TrunkGradients& gradients,
                            void* stream) {
  const trunk::Launcher launcher(trunk, stream);
  if (!launcher.fits()) return cudaErrorInvalidValue;
  int shares, chunks;
  int error = launcher.filter_shares(&shares, &chunks);
  if (error != cudaSuccess) return error;
  trunk::Layout layout(workspace);
  const trunk::Places places(launcher, shares, layout);
  const auto kept_at = [&](int64_t i) {
    return trunk::numbers(static_cast<const char*>(kept) + i * launcher.stream_bytes());
  };
  void *here = places.streams[0], *before = places.streams[1];
  error = trunk::in_order([&] { return launcher.mark_inside(places.inside); },
                          [&] { return launcher.to_stream(grad, output, here); });
  for (int64_t block = trunk.blocks - 1; block >= 0 && error == cudaSuccess; --block) {
    trunk::BlockTask task{};
    task.input = trunk::numbers(here);
    task.filters = static_cast<const uint4*>(places.filters);
    task.gate = kept_at(2 * block + 1);
    task.output_gate = block > 0 ? kept_at(2 * block) : nullptr;
    task.between = trunk::numbers(places.streams[2]);
    task.output = trunk::numbers(before);
    task.inside = static_cast<const uint4*>(places.inside);
    trunk::FilterTask filters{};
    filters.inputs[0] = kept_at(2 * block);
    filters.inputs[1] = kept_at(2 * block + 1);
    filters.grads[0] = task.between;
    filters.grads[1] = task.input;
    filters.partials = static_cast<float*>(places.partials);
    void* const* results = gradients.parameters + 4 * block;
    const trunk::FilterGradients sums = {{trunk::numbers(results[0]), trunk::numbers(results[2])},
                                         {trunk::numbers(results[1]), trunk::numbers(results[3])}};
    error = trunk::in_order([&] { return launcher.pack_filters(block, true, places.filters); },
                            [&] { return launcher.run_block<true>(task); },
                            [&] { return launcher.run_filters(filters, sums); });
    std::swap(here, before);
  }
  if (error != cudaSuccess) return error;
  return launcher.from_stream(here, gradients.input);
}

}  // namespace simgan::cuda
