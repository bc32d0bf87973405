// Convolution by Winograd's F(4x4, 3x3): an output tile of 4x4 pixels costs 36 multiplications per
// pair of channels instead of 144 (Lavin and Gray, arXiv 1509.09308). A wider filter is cut into
// parts of 3x3 taps, convolutions of the image moved, whose products are added at the evaluation
// points. A part that stands out of the filter by a tap needs one point less along that side, so
// 7x7 costs (5 + 6 + 5)^2 = 256 multiplications instead of 784.
//
// Images are gapless float [height][width][channels] with a multiple of 16 channels. The kernels
// are compiled once per instruction set; sums have an order that depends on the shape alone.
#pragma once

#include <cstdint>

#include "../padding.h"

namespace simgan::cpu {

struct ImageShape {
  int64_t height, width, channels;

  int64_t pixels() const {
    return height * width;
  }
  int64_t count() const {
    return pixels() * channels;
  }
};

constexpr int kPoints = 36;  // 6x6 evaluation points of a tile

// Parts of a filter of kernel x kernel taps, an odd number from 3 on.
constexpr int64_t parts_of(int64_t kernel) {
  return (kernel + 2) / 3 * ((kernel + 2) / 3);
}

// A convolution's weights: kernel x kernel taps as points [parts][36][in][out].
struct Weights {
  const float* points;
  int64_t kernel;
};

// What becomes of a convolution's result r before it is stored.
enum class Epilogue {
  kBiasRelu,     // relu(r + bias)
  kBiasAddRelu,  // relu(r + bias + extra)
  kMask,         // extra <= 0 ? 0 : r
  kAdd,          // r + extra
};

struct WinogradKernels {
  const char* name;

  // Floats of workspace that a call of the kernels below needs.
  int64_t (*workspace)(int64_t kernel, int64_t channels);

  // taps [kernel][kernel][in][out] -> points [36][in][out] of one part < parts_of(kernel).
  void (*transform_weights)(const float* taps, int64_t kernel, int64_t part, int64_t channels,
                            float* points);

  // One image; `extra` is an image of the same shape. `out` may be `extra`, but not `in`.
  void (*convolve)(const float* in, const ImageShape& shape, const Weights& weights,
                   Padding padding, const float* bias, const float* extra, Epilogue epilogue,
                   float* out, float* workspace);

  // out += what a convolution of `grad`, zeros around it, gives beyond the border, each value at
  // the nearest pixel: what the gradient by an image with replicated border has more than one with
  // zeros. Where `gate` is given and not positive, nothing is added. Filters up to 9x9.
  void (*add_beyond_border)(const float* grad, const ImageShape& shape, const Weights& weights,
                            const float* gate, float* out, float* workspace);

  // points [parts][36][in][out] += the weight gradient of one image, still at the evaluation
  // points.
  void (*add_weight_gradient)(const float* in, const float* grad, const ImageShape& shape,
                              int64_t kernel, Padding padding, float* points, float* workspace);

  // One part of taps [kernel][kernel][in][out] = weight gradient from `groups` sums [36][in][out]
  // of that part that lie `stride` apart. A true zero is a zero, not what rounding leaves of it.
  void (*finish_weight_gradient)(const float* points, int64_t groups, int64_t stride,
                                 int64_t kernel, int64_t part, int64_t channels, float* taps);

  // out = output <= 0 ? 0 : grad, the gradient in front of a relu.
  void (*mask)(const float* grad, const float* output, int64_t count, float* out);

  // sums [channels] += the sum of an image over its pixels.
  void (*add_pixels)(const float* image, const ImageShape& shape, double* sums);
};

extern const WinogradKernels kWinogradPortable;
extern const WinogradKernels kWinogradAvx2;
extern const WinogradKernels kWinogradAvx512;

}  // namespace simgan::cpu
