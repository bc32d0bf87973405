// 3x3 convolution by Winograd's F(4x4, 3x3): an output tile of 4x4 pixels costs 36 multiplications
// per pair of channels instead of 144 (Lavin and Gray, arXiv 1509.09308).
//
// Images are gapless float [height][width][channels] with a multiple of 16 channels. The kernels
// are compiled once per instruction set; sums have an order that depends on the shape alone.
#pragma once

#include <cstdint>

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
constexpr int kTaps = 9;

// What becomes of a convolution's result r before it is stored.
enum class Epilogue {
  kBiasRelu,     // relu(r + bias)
  kBiasAddRelu,  // relu(r + bias + extra)
  kMask,         // extra <= 0 ? 0 : r
  kAdd,          // r + extra
};

struct WinogradKernels {
  const char* name;

  // Floats of workspace that a call of the kernels below needs for this many channels.
  int64_t (*workspace)(int64_t channels);

  // taps [9][in][out] -> points [36][in][out].
  void (*transform_weights)(const float* taps, int64_t channels, float* points);

  // One image, zero padding; `extra` is an image of the same shape.
  // `out` is none of the inputs.
  void (*convolve)(const float* in, const ImageShape& shape, const float* points, const float* bias,
                   const float* extra, Epilogue epilogue, float* out, float* workspace);

  // points [36][in][out] += the weight gradient of one image, still at the evaluation points.
  void (*add_weight_gradient)(const float* in, const float* grad, const ImageShape& shape,
                              float* points, float* workspace);

  // taps [9][in][out] = weight gradient from `groups` sums [36][in][out] that lie `stride` apart.
  // A true zero is a zero, not what rounding leaves of it.
  void (*finish_weight_gradient)(const float* points, int64_t groups, int64_t stride,
                                 int64_t channels, float* taps);

  // out = output <= 0 ? 0 : grad, the gradient in front of a relu.
  void (*mask)(const float* grad, const float* output, int64_t count, float* out);

  // sums [channels] += the sum of an image over its pixels.
  void (*add_pixels)(const float* image, const ImageShape& shape, double* sums);
};

extern const WinogradKernels kWinogradPortable;
extern const WinogradKernels kWinogradAvx2;
extern const WinogradKernels kWinogradAvx512;

}  // namespace simgan::cpu
