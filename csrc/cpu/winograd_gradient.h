// Weights and their gradient at the evaluation points, and the sums over pixels. Included by
// winograd_kernels.h only, inside the namespace of one instruction set.

// The 4x4 gradients of a tile -> points[36 * stride apart][channels].
void transform_gradients(const float* grad, const ImageShape& shape, int64_t tile, float* points,
                         int64_t stride, float* copy) {
  const Window window = window_at<4>(grad, shape, corner_of(tile, shape), Padding::kZeros, copy);
  for (int64_t c = 0; c < shape.channels; c += kLanes) {
    Vector half[6][4], column[4], out[6];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        column[i] = load(window.start + i * window.row + j * shape.channels + c);
      }
      transform_four_pixels(column, out);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      transform_four_pixels(half[i], out);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) store(points + (i * 6 + j) * stride + c, out[j]);
    }
  }
}

// sums[Rows][columns] += the sum over tiles of left[tile][row] * right[tile][column].
template <int Rows, int Vectors>
void add_products(int64_t tiles, const float* left, const float* right, int64_t channels,
                  float* sums) {
  Vector added[Rows][Vectors] = {};
  for (int64_t t = 0; t < tiles; ++t) {
    Vector column[Vectors];
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; ++j) column[j] = load(right + t * channels + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; ++j) added[i][j] += left[t * channels + i] * column[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; ++j) {
      float* sum = sums + i * channels + j * kLanes;
      store(sum, load(sum) + added[i][j]);
    }
  }
}

void add_point(int64_t tiles, const float* left, const float* right, int64_t channels,
               float* sums) {
  for (int64_t c = 0; c < channels; c += 2 * kLanes) {
    for (int64_t k = 0; k < channels; k += kOuter) {
      float* block = sums + k * channels + c;
      if (channels - c >= 2 * kLanes) {
        add_products<kOuter, 2>(tiles, left + k, right + c, channels, block);
      } else {
        add_products<kOuter, 1>(tiles, left + k, right + c, channels, block);
      }
    }
  }
}

void add_weight_gradient(const float* in, const float* grad, const ImageShape& shape,
                         int64_t kernel, Padding padding, float* sums, float* workspace) {
  const int64_t channels = shape.channels;
  const int64_t stride = point_stride(kGradTiles, channels);
  float* left = workspace;
  float* right = left + kPoints * stride;
  float* copy = right + kPoints * stride;
  const int64_t tiles = tiles_over(shape.height) * tiles_over(shape.width);
  for (int64_t first = 0; first < tiles; first += kGradTiles) {
    const int64_t count = least(kGradTiles, tiles - first);
    for (int64_t i = 0; i < count; ++i) {
      transform_gradients(grad, shape, first + i, right + i * channels, stride, copy);
    }
    for (int64_t index = 0; index < parts_of(kernel); ++index) {
      const Part part = part_of(kernel, index);
      transform_tiles(in, shape, padding, part, first, count, left, stride, copy);
      for (int p = 0; p < kPoints; ++p) {
        if (!part.has_point(p)) continue;
        add_point(count, left + p * stride, right + p * stride, channels,
                  sums + (index * kPoints + p) * channels * channels);
      }
    }
  }
}

int64_t workspace(int64_t kernel, int64_t channels) {
  const int64_t at_once = tiles_at_once(kernel);
  const int64_t tiles = at_once > kGradTiles ? at_once : kGradTiles;
  return kPoints * (2 * point_stride(tiles, channels) + channels);
}

void transform_weights(const float* taps, int64_t kernel, int64_t index, int64_t channels,
                       float* points) {
  const Part part = part_of(kernel, index);
  constexpr TapTransform transform = tap_transform();
  const int64_t count = channels * channels;
  for (int64_t at = 0; at < count; at += 16) {
    double known[3][3][16] = {}, half[6][3][16];
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        if (!part.has_tap(i, j)) continue;
        const float* tap = taps + part.tap_at(i, j, channels) + at;
        for (int lane = 0; lane < 16; ++lane) known[i][j][lane] = tap[lane];
      }
    }
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 3; ++j) {
        for (int lane = 0; lane < 16; ++lane) {
          double sum = 0;
          for (int k = 0; k < 3; ++k) sum += transform.rows[i][k] * known[k][j][lane];
          half[i][j][lane] = sum;
        }
      }
    }
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 6; ++j) {
        for (int lane = 0; lane < 16; ++lane) {
          double sum = 0;
          for (int k = 0; k < 3; ++k) sum += transform.rows[j][k] * half[i][k][lane];
          points[(i * 6 + j) * count + at + lane] = static_cast<float>(sum);
        }
      }
    }
  }
}

// A gradient below this share of the largest sum it comes from is rounding. It becomes 0, as it is
// where two features never meet, a common case between relus: Adam would turn what the transforms
// leave there into full steps. Measured on training runs: 1e-7 misses a few of those zeros, 3e-6
// makes others.
constexpr double kNoise = 4 * 0x1p-23;

void finish_weight_gradient(const float* points, int64_t groups, int64_t stride, int64_t kernel,
                            int64_t index, int64_t channels, float* taps) {
  const Part part = part_of(kernel, index);
  constexpr TapTransform transform = tap_transform();
  const int64_t count = channels * channels;
  for (int64_t at = 0; at < count; at += 16) {
    double half[3][6][16] = {}, largest[16] = {};
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 6; ++j) {
        double sum[16] = {};
        for (int64_t group = 0; group < groups; ++group) {
          const float* from = points + group * stride + (i * 6 + j) * count + at;
          for (int lane = 0; lane < 16; ++lane) sum[lane] += from[lane];
        }
        for (int lane = 0; lane < 16; ++lane) {
          const double size = sum[lane] < 0 ? -sum[lane] : sum[lane];
          largest[lane] = size > largest[lane] ? size : largest[lane];
        }
        for (int k = 0; k < 3; ++k) {
          for (int lane = 0; lane < 16; ++lane)
            half[k][j][lane] += transform.rows[i][k] * sum[lane];
        }
      }
    }
    for (int i = 0; i < 3; ++i) {
      for (int k = 0; k < 3; ++k) {
        if (!part.has_tap(i, k)) continue;
        float* tap = taps + part.tap_at(i, k, channels) + at;
        for (int lane = 0; lane < 16; ++lane) {
          double sum = 0;
          for (int j = 0; j < 6; ++j) sum += transform.rows[j][k] * half[i][j][lane];
          const double limit = kNoise * largest[lane];
          const bool noise = sum < limit && sum > -limit;
          tap[lane] = noise ? 0.0f : static_cast<float>(sum);
        }
      }
    }
  }
}

void mask(const float* grad, const float* output, int64_t count, float* out) {
  for (int64_t at = 0; at < count; at += kLanes) {
    store(out + at, masked(load(grad + at), load(output + at)));
  }
}

void add_pixels(const float* image, const ImageShape& shape, double* sums) {
  for (int64_t c = 0; c < shape.channels; c += kLanes) {
    for (int64_t y = 0; y < shape.height; ++y) {
      const float* row = image + y * shape.width * shape.channels + c;
      Vector sum = {};
      for (int64_t x = 0; x < shape.width; ++x) sum += load(row + x * shape.channels);
      for (int lane = 0; lane < kLanes; ++lane) sums[c + lane] += static_cast<double>(sum[lane]);
    }
  }
}
