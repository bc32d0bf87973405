// The residual block relu(conv(relu(conv(x))) + x), a chain of them, its data gradient and its
// weight gradients, an image at a time, so that what lies between the convolutions stays in the
// cache.
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "../launchers.h"
#include "instructions.h"
#include "parallel.h"

namespace simgan::cpu {
namespace {

constexpr std::align_val_t kLine{64};

struct Release {
  void operator()(float* memory) const {
    ::operator delete(memory, kLine);
  }
};
using Floats = std::unique_ptr<float, Release>;

Floats allocate(int64_t count) {
  return Floats(static_cast<float*>(::operator new(count * sizeof(float), kLine)));
}

int64_t rounded(int64_t count) {
  return (count + 15) / 16 * 16;
}

// Floats of a convolution's weights, or of their gradient, at the evaluation points.
int64_t points_of(int64_t kernel, int64_t channels) {
  return parts_of(kernel) * kPoints * channels * channels;
}

// The weights of both convolutions at the evaluation points, one behind the other.
Floats transformed(const WinogradKernels& kernels, const float* taps1, const float* taps2,
                   int64_t kernel, int64_t channels, int threads) {
  const int64_t parts = parts_of(kernel), points = points_of(kernel, channels);
  Floats both = allocate(2 * points);
  for_each_item(2 * parts, threads, [&](int64_t i, int) {
    kernels.transform_weights(i < parts ? taps1 : taps2, kernel, i % parts, channels,
                              both.get() + i * points / parts);
  });
  return both;
}

// Weight gradients are summed in groups of images whose number depends on the shapes alone, so the
// bits do not depend on the threads. More groups occupy more threads and take more memory, the more
// the wider the filter.
int64_t groups_of(int64_t images, int64_t kernel) {
  const int64_t most = std::max<int64_t>(64 / parts_of(kernel), 8);
  return std::min(images, std::clamp<int64_t>(images / 16, 8, most));
}

struct Forward {
  const WinogradKernels& kernels;
  const BlockInputs& inputs;
  ImageShape shape;
  Weights weights1, weights2;
  Padding padding;

  void run(int64_t image, float* hidden, float* output, float* workspace) const {
    const float* x = inputs.x + image * shape.count();
    kernels.convolve(x, shape, weights1, padding, inputs.bias1, nullptr, Epilogue::kBiasRelu,
                     hidden, workspace);
    kernels.convolve(hidden, shape, weights2, padding, inputs.bias2, x, Epilogue::kBiasAddRelu,
                     output + image * shape.count(), workspace);
  }
};

// Sums of the two weight and bias gradients over one group of images.
struct GroupSums {
  float* points1;
  float* points2;
  double* bias1;
  double* bias2;
};

struct Backward {
  const WinogradKernels& kernels;
  const BlockActivations& from;
  const BlockGradients& to;
  ImageShape shape;
  Weights weights1, weights2;
  Padding padding;

  bool through_hidden() const {
    return to.x || to.taps1 || to.bias1;
  }

  void run(int64_t image, const GroupSums& sums, float* skip, float* workspace) const {
    const int64_t at = image * shape.count();
    const float* hidden = from.hidden + at;
    float* grad_hidden = skip + rounded(shape.count());
    kernels.mask(from.grad + at, from.output + at, shape.count(), skip);
    if (to.bias2) kernels.add_pixels(skip, shape, sums.bias2);
    if (to.taps2) {
      kernels.add_weight_gradient(hidden, skip, shape, weights2.kernel, padding, sums.points2,
                                  workspace);
    }
    if (!through_hidden()) return;
    by_image(skip, weights2, hidden, Epilogue::kMask, grad_hidden, workspace);
    if (to.bias1) kernels.add_pixels(grad_hidden, shape, sums.bias1);
    if (to.taps1) {
      kernels.add_weight_gradient(from.x + at, grad_hidden, shape, weights1.kernel, padding,
                                  sums.points1, workspace);
    }
    if (to.x) by_image(grad_hidden, weights1, skip, Epilogue::kAdd, to.x + at, workspace);
  }

  // The gradient of a convolution by its image, masked by `extra` or added to it.
  void by_image(const float* grad, const Weights& weights, const float* extra, Epilogue epilogue,
                float* out, float* workspace) const {
    kernels.convolve(grad, shape, weights, Padding::kZeros, nullptr, extra, epilogue, out,
                     workspace);
    if (padding == Padding::kZeros) return;
    const float* gate = epilogue == Epilogue::kMask ? extra : nullptr;
    kernels.add_beyond_border(grad, shape, weights, gate, out, workspace);
  }
};

void write_bias(const double* sums, int64_t groups, int64_t stride, int64_t channels, float* bias) {
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0.0;
    for (int64_t group = 0; group < groups; ++group) sum += sums[group * stride + c];
    bias[c] = static_cast<float>(sum);
  }
}

// Blocks in turn, an image at a time; all but the first read what the one before wrote to `output`.
int forward(const std::vector<BlockInputs>& blocks, const BlockShape& size,
            const BlockFilters& filters, float* hidden, float* output, int threads,
            const WinogradKernels& kernels) {
  const int64_t kernel = filters.kernel;
  const ImageShape shape{size.height, size.width, size.channels};
  std::vector<Floats> weights;
  std::vector<Forward> chain;
  for (const BlockInputs& inputs : blocks) {
    weights.push_back(
        transformed(kernels, inputs.taps1, inputs.taps2, kernel, shape.channels, threads));
    const float* weights1 = weights.back().get();
    const float* weights2 = weights1 + points_of(kernel, shape.channels);
    chain.push_back(
        {kernels, inputs, shape, {weights1, kernel}, {weights2, kernel}, filters.padding});
  }
  const int workers = workers_for(size.images, threads);
  const int64_t room = rounded(kernels.workspace(kernel, shape.channels));
  const int64_t each = room + (hidden ? 0 : rounded(shape.count()));
  const Floats workspace = allocate(workers * each);
  for_each_item(size.images, threads, [&](int64_t image, int worker) {
    float* own = workspace.get() + worker * each;
    float* between = hidden ? hidden + image * shape.count() : own + room;
    for (const Forward& block : chain) block.run(image, between, output, own);
  });
  return kOk;
}

int backward(const BlockActivations& from, const BlockShape& size, const BlockFilters& filters,
             const BlockGradients& to, int threads, const WinogradKernels& kernels) {
  const int64_t kernel = filters.kernel;
  const ImageShape shape{size.height, size.width, size.channels};
  const int64_t channels = shape.channels, points = points_of(kernel, channels);
  const Floats weights = transformed(kernels, from.taps1, from.taps2, kernel, channels, threads);
  const float* weights2 = weights.get() + points;
  const Backward block{kernels,        from, to, shape, {weights.get(), kernel}, {weights2, kernel},
                       filters.padding};

  const bool sums_needed = to.taps1 || to.taps2 || to.bias1 || to.bias2;
  const int64_t groups = sums_needed ? groups_of(size.images, kernel) : size.images;
  const int64_t both = (to.taps1 ? points : 0) + (to.taps2 ? points : 0);
  const Floats weight_sums = allocate(groups * both);
  std::vector<double> bias_sums(sums_needed ? groups * 2 * channels : 0);

  const int workers = workers_for(groups, threads);
  const int64_t room = rounded(kernels.workspace(kernel, channels));
  const int64_t each = room + 2 * rounded(shape.count());
  const Floats workspace = allocate(workers * each);
  for_each_item(groups, threads, [&](int64_t group, int worker) {
    float* own = workspace.get() + worker * each;
    float* sums = weight_sums.get() + group * both;
    double* biases = bias_sums.data() + (sums_needed ? group * 2 * channels : 0);
    std::memset(sums, 0, both * sizeof(float));
    const GroupSums of_group{sums, sums + (to.taps1 ? points : 0), biases, biases + channels};
    const int64_t end = (group + 1) * size.images / groups;
    for (int64_t image = group * size.images / groups; image < end; ++image) {
      block.run(image, of_group, own + room, own);
    }
  });

  float* taps[] = {to.taps1, to.taps2};
  const float* sums[] = {weight_sums.get(), weight_sums.get() + (to.taps1 ? points : 0)};
  const int64_t parts = parts_of(kernel);
  for_each_item(2 * parts, threads, [&](int64_t item, int) {
    const int64_t i = item / parts, part = item % parts;
    if (!taps[i]) return;
    kernels.finish_weight_gradient(sums[i] + part * (points / parts), groups, both, kernel, part,
                                   channels, taps[i]);
  });
  if (to.bias1) write_bias(bias_sums.data(), groups, 2 * channels, channels, to.bias1);
  if (to.bias2) write_bias(bias_sums.data() + channels, groups, 2 * channels, channels, to.bias2);
  return kOk;
}

}  // namespace

const char* instruction_set(int index) {
  const WinogradKernels* kernels = winograd_kernels(index);
  return kernels ? kernels->name : nullptr;
}

int residual_block_forward(const BlockInputs& inputs, const BlockShape& shape,
                           const BlockFilters& filters, float* hidden, float* output, int threads,
                           int instructions) {
  const WinogradKernels* kernels = winograd_kernels(instructions);
  if (!kernels) return kNoSuchInstructions;
  try {
    return forward({inputs}, shape, filters, hidden, output, threads, *kernels);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

int residual_trunk_forward(const std::vector<BlockInputs>& blocks, const BlockShape& shape,
                           const BlockFilters& filters, float* output, int threads,
                           int instructions) {
  const WinogradKernels* kernels = winograd_kernels(instructions);
  if (!kernels) return kNoSuchInstructions;
  try {
    return forward(blocks, shape, filters, nullptr, output, threads, *kernels);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

int residual_block_backward(const BlockActivations& from, const BlockShape& shape,
                            const BlockFilters& filters, const BlockGradients& to, int threads,
                            int instructions) {
  const WinogradKernels* kernels = winograd_kernels(instructions);
  if (!kernels) return kNoSuchInstructions;
  try {
    return backward(from, shape, filters, to, threads, *kernels);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

}  // namespace simgan::cpu
