// The kernels of winograd.h for one instruction set. The including file defines
//   SIMGAN_ISA         namespace and name of the instruction set
//   SIMGAN_ISA_TABLE   the table to define
//   SIMGAN_ISA_BYTES   bytes of a vector
//   SIMGAN_ISA_TILES   tiles that are multiplied at a time
//   SIMGAN_ISA_ROWS    rows of sums that are held in registers, two vectors each
//   SIMGAN_ISA_OUTER   the same in the weight gradient, a divisor of 16
// Nothing of the standard library is used here: an inline function of it, compiled for this
// instruction set, could be the copy that the linker keeps for all.
#include "winograd.h"

namespace simgan::cpu {
namespace SIMGAN_ISA {
namespace {

typedef float Vector __attribute__((vector_size(SIMGAN_ISA_BYTES)));
constexpr int kLanes = SIMGAN_ISA_BYTES / sizeof(float);
constexpr int kTiles = SIMGAN_ISA_TILES;
constexpr int kGradTiles = 28;  // in the weight gradient, where sums are read and written per group
constexpr int kRows = SIMGAN_ISA_ROWS;
constexpr int kOuter = SIMGAN_ISA_OUTER;
constexpr int64_t kGap =
    16;  // floats between points, so that their addresses do not share a cache set

#include "winograd_parts.h"
#include "winograd_transforms.h"

inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline int64_t tiles_over(int64_t pixels) {
  return (pixels + 3) / 4;
}

inline int64_t point_stride(int64_t tiles, int64_t channels) {
  return tiles * channels + kGap;
}

// Tiles that a convolution multiplies at a time. The weights of several parts do not fit the cache:
// they are read once for more tiles.
inline int64_t tiles_at_once(int64_t kernel) {
  return parts_of(kernel) == 1 ? kTiles : 2 * kTiles;
}

#include "winograd_windows.h"

// The 6x6 pixels from `corner` on -> points[36 * stride apart][channels].
void transform_pixels(const float* image, const ImageShape& shape, Corner corner, Padding padding,
                      float* points, int64_t stride, float* copy) {
  const Window window = window_at<6>(image, shape, corner, padding, copy);
  for (int64_t c = 0; c < shape.channels; c += kLanes) {
    Vector half[6][6], column[6], out[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) {
        column[i] = load(window.start + i * window.row + j * shape.channels + c);
      }
      transform_six_pixels(column, out);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      transform_six_pixels(half[i], out);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) store(points + (i * 6 + j) * stride + c, out[j]);
    }
  }
}

// Compares so that a not-a-number stays, as torch's relu and its gradient do.
inline Vector masked(Vector value, Vector by) {
  return by <= 0.0f ? Vector{} : value;
}

inline Vector positive(Vector value) {
  return masked(value, value);
}

template <Epilogue kEpilogue>
inline Vector finished(Vector value, const float* bias, int64_t channel, const float* extra,
                       int64_t at) {
  if constexpr (kEpilogue == Epilogue::kBiasRelu) return positive(value + load(bias + channel));
  if constexpr (kEpilogue == Epilogue::kBiasAddRelu) {
    return positive(value + load(bias + channel) + load(extra + at));
  }
  if constexpr (kEpilogue == Epilogue::kMask) return masked(value, load(extra + at));
  return value + load(extra + at);
}

// points -> the 4x4 pixels of a tile, as far as they lie in the image.
template <Epilogue kEpilogue>
void write_tile(const float* points, int64_t stride, const ImageShape& shape, int64_t tile,
                const float* bias, const float* extra, float* out) {
  const Corner corner = corner_of(tile, shape);
  const int64_t rows = least(4, shape.height - corner.y);
  const int64_t columns = least(4, shape.width - corner.x);
  for (int64_t c = 0; c < shape.channels; c += kLanes) {
    Vector half[4][6], column[6], four[4];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) column[i] = load(points + (i * 6 + j) * stride + c);
      transform_six_points(column, four);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) half[i][j] = four[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (i >= rows) break;
      transform_six_points(half[i], four);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        if (j >= columns) break;
        const int64_t at = ((corner.y + i) * shape.width + corner.x + j) * shape.channels + c;
        store(out + at, finished<kEpilogue>(four[j], bias, c, extra, at));
      }
    }
  }
}

// result[Rows][columns] = rows[Rows][channels] * weights[channels][columns], Vectors columns wide;
// plus the old result if kAdds.
template <int Rows, int Vectors, bool kAdds>
void multiply(const float* rows, const float* weights, int64_t channels, float* result) {
  Vector sums[Rows][Vectors] = {};
  if constexpr (kAdds) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; ++j) sums[i][j] = load(result + i * channels + j * kLanes);
    }
  }
  for (int64_t k = 0; k < channels; ++k) {
    Vector weight[Vectors];
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; ++j) weight[j] = load(weights + k * channels + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; ++j) sums[i][j] += rows[i * channels + k] * weight[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; ++j) store(result + i * channels + j * kLanes, sums[i][j]);
  }
}

template <int Rows, int Vectors, bool kAdds>
void multiply_up_to(int64_t count, const float* rows, const float* weights, int64_t channels,
                    float* result) {
  if constexpr (Rows > 1) {
    if (count < Rows) {
      return multiply_up_to<Rows - 1, Vectors, kAdds>(count, rows, weights, channels, result);
    }
  }
  multiply<Rows, Vectors, kAdds>(rows, weights, channels, result);
}

// One point of all tiles: result[tiles][channels] = rows[tiles][channels] * weights, or +=.
template <bool kAdds>
void multiply_point(int64_t tiles, const float* rows, const float* weights, int64_t channels,
                    float* result) {
  for (int64_t c = 0; c < channels; c += 2 * kLanes) {
    for (int64_t i = 0; i < tiles; i += kRows) {
      const int64_t count = least(kRows, tiles - i), at = i * channels;
      if (channels - c >= 2 * kLanes) {
        multiply_up_to<kRows, 2, kAdds>(count, rows + at, weights + c, channels, result + at + c);
      } else {
        multiply_up_to<kRows, 1, kAdds>(count, rows + at, weights + c, channels, result + at + c);
      }
    }
  }
}

// The pixels that a part of a filter sees in some tiles, at the evaluation points.
void transform_tiles(const float* image, const ImageShape& shape, Padding padding, const Part& part,
                     int64_t first, int64_t count, float* points, int64_t stride, float* copy) {
  const int64_t down = part.rows.offset(), right = part.columns.offset();
  for (int64_t i = 0; i < count; ++i) {
    const Corner corner = corner_of(first + i, shape);
    transform_pixels(image, shape, {corner.y + down, corner.x + right}, padding,
                     points + i * shape.channels, stride, copy);
  }
}

template <Epilogue kEpilogue>
void convolve_with(const float* in, const ImageShape& shape, const Weights& weights,
                   Padding padding, const float* bias, const float* extra, float* out,
                   float* workspace) {
  const int64_t channels = shape.channels, square = channels * channels;
  const int64_t parts = parts_of(weights.kernel), at_once = tiles_at_once(weights.kernel);
  const int64_t stride = point_stride(at_once, channels);
  const auto multiply_or_add = parts == 1 ? multiply_point<false> : multiply_point<true>;
  // The products at a point of the only part take the place of the point before it, which nobody
  // needs any more.
  float* products = workspace;
  float* points = products + (parts == 1 ? 1 : kPoints) * stride;
  float* copy = points + kPoints * stride;
  const int64_t tiles = tiles_over(shape.height) * tiles_over(shape.width);
  for (int64_t first = 0; first < tiles; first += at_once) {
    const int64_t count = least(at_once, tiles - first);
    if (parts > 1) __builtin_memset(products, 0, kPoints * stride * sizeof(float));
    for (int64_t index = 0; index < parts; ++index) {
      const Part part = part_of(weights.kernel, index);
      transform_tiles(in, shape, padding, part, first, count, points, stride, copy);
      for (int p = 0; p < kPoints; ++p) {
        if (!part.has_point(p)) continue;
        multiply_or_add(count, points + p * stride, weights.points + (index * kPoints + p) * square,
                        channels, products + p * stride);
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      write_tile<kEpilogue>(products + i * channels, stride, shape, first + i, bias, extra, out);
    }
  }
}

void convolve(const float* in, const ImageShape& shape, const Weights& weights, Padding padding,
              const float* bias, const float* extra, Epilogue epilogue, float* out,
              float* workspace) {
  const auto run = [&](auto convolve_as) {
    convolve_as(in, shape, weights, padding, bias, extra, out, workspace);
  };
  switch (epilogue) {
    case Epilogue::kBiasRelu:
      return run(convolve_with<Epilogue::kBiasRelu>);
    case Epilogue::kBiasAddRelu:
      return run(convolve_with<Epilogue::kBiasAddRelu>);
    case Epilogue::kMask:
      return run(convolve_with<Epilogue::kMask>);
    case Epilogue::kAdd:
      return run(convolve_with<Epilogue::kAdd>);
  }
}

#include "winograd_border.h"
#include "winograd_gradient.h"

}  // namespace
}  // namespace SIMGAN_ISA

#define SIMGAN_TEXT_OF(name) #name
#define SIMGAN_TEXT(name) SIMGAN_TEXT_OF(name)
const WinogradKernels SIMGAN_ISA_TABLE = {
    SIMGAN_TEXT(SIMGAN_ISA),
    SIMGAN_ISA::workspace,
    SIMGAN_ISA::transform_weights,
    SIMGAN_ISA::convolve,
    SIMGAN_ISA::add_beyond_border,
    SIMGAN_ISA::add_weight_gradient,
    SIMGAN_ISA::finish_weight_gradient,
    SIMGAN_ISA::mask,
    SIMGAN_ISA::add_pixels,
};

}  // namespace simgan::cpu
