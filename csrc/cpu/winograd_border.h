// What the gradient by an image has more when the image was continued with its nearest pixels.
// Included by winograd_kernels.h only, inside the namespace of one instruction set.
//
// Tiles beyond the border touch the image, so that they see few of its pixels, and few of their
// evaluation points are not zero: for 3x3 filters 6 of the 36 along a side and 1 at a corner.

// Tiles along one axis of the image: before it (-1), in it (0) or behind it (1).
struct Reach {
  int where;
  int64_t length;  // of the image

  int64_t tiles() const {
    return where == 0 ? tiles_over(length) : 1;
  }
  int64_t start(int64_t tile) const {
    return where < 0 ? -4 : where == 0 ? 4 * tile : length;
  }
  // Whether a part of a filter gives anything but zero at this point. A pixel at either end of the
  // six that it sees reaches one point only.
  bool has_point(const Span& span, int point) const {
    if (where == 0 || !span.has_point(point)) return span.has_point(point);
    const int64_t first = start(0) + span.offset(), last = first + 5;
    if (where < 0) return last > 0 || (last == 0 && point == 5);
    return first < length - 1 || (first == length - 1 && point == 0);
  }
  // The pixels of a tile that a filter reaches from the image.
  int64_t first_pixel(int64_t kernel) const {
    return where < 0 ? 4 - kernel / 2 : 0;
  }
  int64_t end_pixel(int64_t tile, int64_t kernel) const {
    return where < 0 ? 4 : where == 0 ? least(4, length - 4 * tile) : kernel / 2;
  }
};

// The tiles beyond one side or corner of the image.
struct Strip {
  Reach down, right;

  int64_t tiles() const {
    return down.tiles() * right.tiles();
  }
  Corner corner(int64_t tile) const {
    return {down.start(tile / right.tiles()), right.start(tile % right.tiles())};
  }
  bool has_point(const Part& part, int point) const {
    return down.has_point(part.rows, point / 6) && right.has_point(part.columns, point % 6);
  }
};

struct PointSet {
  bool has[kPoints];

  bool any() const {
    bool found = false;
    for (const bool one : has) found |= one;
    return found;
  }
};

PointSet points_of(const Strip& strip, int64_t kernel, int64_t first_part, int64_t end_part) {
  PointSet set = {};
  for (int64_t index = first_part; index < end_part; ++index) {
    const Part part = part_of(kernel, index);
    for (int p = 0; p < kPoints; ++p) set.has[p] |= strip.has_point(part, p);
  }
  return set;
}

// Adds the pixels of a tile to those at the border that are nearest.
void add_tile(const float* points, int64_t stride, const PointSet& reached, const ImageShape& shape,
              int64_t kernel, const Strip& strip, int64_t tile, const float* gate, float* out) {
  const Corner corner = strip.corner(tile);
  const int64_t row = tile / strip.right.tiles(), column = tile % strip.right.tiles();
  const int64_t bottom = strip.down.end_pixel(row, kernel);
  const int64_t end = strip.right.end_pixel(column, kernel);
  for (int64_t c = 0; c < shape.channels; c += kLanes) {
    Vector half[4][6], six[6], four[4];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) {
        const int p = i * 6 + j;
        six[i] = reached.has[p] ? load(points + p * stride + c) : Vector{};
      }
      transform_six_points(six, four);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) half[i][j] = four[i];
    }
    for (int64_t i = strip.down.first_pixel(kernel); i < bottom; ++i) {
      transform_six_points(half[i], four);
      const int64_t y = nearest(corner.y + i, shape.height);
      for (int64_t j = strip.right.first_pixel(kernel); j < end; ++j) {
        const int64_t x = nearest(corner.x + j, shape.width);
        const int64_t at = (y * shape.width + x) * shape.channels + c;
        const Vector value = gate ? masked(four[j], load(gate + at)) : four[j];
        store(out + at, load(out + at) + value);
      }
    }
  }
}

void add_strip(const float* grad, const ImageShape& shape, const Weights& weights,
               const Strip& strip, const float* gate, float* out, float* workspace) {
  const int64_t channels = shape.channels, square = channels * channels;
  const int64_t kernel = weights.kernel, parts = parts_of(kernel);
  const int64_t at_once = tiles_at_once(kernel), stride = point_stride(at_once, channels);
  const PointSet reached = points_of(strip, kernel, 0, parts);
  float* products = workspace;
  float* points = products + kPoints * stride;
  float* copy = points + kPoints * stride;
  for (int64_t first = 0; first < strip.tiles(); first += at_once) {
    const int64_t count = least(at_once, strip.tiles() - first);
    for (int p = 0; p < kPoints; ++p) {
      if (!reached.has[p]) continue;
      __builtin_memset(products + p * stride, 0, count * channels * sizeof(float));
    }
    for (int64_t index = 0; index < parts; ++index) {
      const Part part = part_of(kernel, index);
      const PointSet of_part = points_of(strip, kernel, index, index + 1);
      if (!of_part.any()) continue;
      for (int64_t i = 0; i < count; ++i) {
        const Corner corner = strip.corner(first + i);
        transform_pixels(grad, shape,
                         {corner.y + part.rows.offset(), corner.x + part.columns.offset()},
                         Padding::kZeros, points + i * channels, stride, copy);
      }
      for (int p = 0; p < kPoints; ++p) {
        if (!of_part.has[p]) continue;
        multiply_point<true>(count, points + p * stride,
                             weights.points + (index * kPoints + p) * square, channels,
                             products + p * stride);
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      add_tile(products + i * channels, stride, reached, shape, kernel, strip, first + i, gate,
               out);
    }
  }
}

void add_beyond_border(const float* grad, const ImageShape& shape, const Weights& weights,
                       const float* gate, float* out, float* workspace) {
  for (int down = -1; down <= 1; ++down) {
    for (int right = -1; right <= 1; ++right) {
      if (down == 0 && right == 0) continue;
      const Strip strip{{down, shape.height}, {right, shape.width}};
      add_strip(grad, shape, weights, strip, gate, out, workspace);
    }
  }
}
