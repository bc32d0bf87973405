// The pixels that a tile sees, padded where the image ends. Included by winograd_kernels.h only,
// inside the namespace of one instruction set.

// A corner of a tile in the image; it may lie outside.
struct Corner {
  int64_t y, x;
};

inline Corner corner_of(int64_t tile, const ImageShape& shape) {
  const int64_t columns = tiles_over(shape.width);
  return {tile / columns * 4, tile % columns * 4};
}

// Where size x size pixels start, and the floats from one row to the next.
struct Window {
  const float* start;
  int64_t row;
};

inline int64_t nearest(int64_t place, int64_t length) {
  return place < 0 ? 0 : least(place, length - 1);
}

// Copies size x size pixels from `corner` on, padded where they lie outside.
template <int Size>
void copy_pixels(const float* image, const ImageShape& shape, Corner corner, Padding padding,
                 float* copy) {
  const int64_t channels = shape.channels;
  for (int i = 0; i < Size; ++i) {
    const int64_t y = nearest(corner.y + i, shape.height);
    for (int j = 0; j < Size; ++j) {
      const int64_t x = nearest(corner.x + j, shape.width);
      const bool inside = y == corner.y + i && x == corner.x + j;
      const bool zero = !inside && padding == Padding::kZeros;
      const float* from = image + (y * shape.width + x) * channels;
      float* to = copy + (i * Size + j) * channels;
      for (int64_t c = 0; c < channels; c += kLanes)
        store(to + c, zero ? Vector{} : load(from + c));
    }
  }
}

// The pixels from `corner` on, in place or, where the image ends, as a padded copy.
template <int Size>
Window window_at(const float* image, const ImageShape& shape, Corner corner, Padding padding,
                 float* copy) {
  const int64_t channels = shape.channels, row = shape.width * channels;
  const bool inside = corner.y >= 0 && corner.x >= 0 && corner.y + Size <= shape.height &&
                      corner.x + Size <= shape.width;
  if (inside) return {image + corner.y * row + corner.x * channels, row};
  copy_pixels<Size>(image, shape, corner, padding, copy);
  return {copy, Size * channels};
}
