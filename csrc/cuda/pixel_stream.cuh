// A batch of maps as one stream of pixels, cut into chunks: how the convolution kernels walk it.
//
// The stream lists the pixels of all images row by row. The neighbours of a pixel lie `columns`
// and one places away in it, so a window of the stream in shared memory, a chunk and a margin on
// either side, holds all that a 3x3 filter reads: every pixel is read from memory once. Images too
// wide for that are cut into vertical strips whose streams overlap.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace simgan::cuda {

// Columns on each side of a strip that belong to its neighbours: two filters reach two pixels far.
constexpr int kHalo = 2;

// Division of 0 <= n < 2^31 by a divisor in 1 .. 2^31 as a multiplication (Granlund and Montgomery
// 1994, theorem 4.2 with N = 31).
struct Divisor {
  uint32_t factor = 0;  // ceil(2^(31 + shift) / divisor)
  int shift = 0;        // ceil(log2(divisor))

  static Divisor of(uint32_t divisor) {
    Divisor made;
    while ((uint64_t{1} << made.shift) < divisor) ++made.shift;
    made.factor = static_cast<uint32_t>(((uint64_t{1} << (31 + made.shift)) - 1) / divisor + 1);
    return made;
  }
  __device__ uint32_t divide(uint32_t n) const {
    return __umulhi(n << 1, factor) >> shift;
  }
};

// Sizes of the walk; the launcher fills it in.
struct StreamShape {
  int64_t images;
  int height, width;     // of an image
  int columns;           // of the stream: `width`, or fewer if there are several strips
  int strips;            // = gridDim.y
  int chunks_per_block;  // each of the kernel's chunk size
  Divisor by_columns, by_height;
};

// Neighbours that a pixel has in its image.
enum Neighbour : unsigned { kAbove = 1, kBelow = 2, kLeft = 4, kRight = 8 };

// The neighbours that tap 0 to 8 (row by row) needs.
__device__ __forceinline__ unsigned needs_of_tap(int tap) {
  const int row = tap / 3, column = tap % 3;
  return (row == 0   ? kAbove
          : row == 2 ? kBelow
                     : 0u) |
         (column == 0   ? kLeft
          : column == 2 ? kRight
                        : 0u);
}

// Where one position of a stream lies.
struct Place {
  bool inside;          // in an image; a strip's halo may lie beside it
  bool owned;           // inside and not in the halo: one strip owns it
  unsigned neighbours;  // of enum Neighbour, in the stream
  int64_t pixel;        // [image][row][column] counted through; valid if inside
};

// The part of the stream that one block walks; positions count from the start of an image.
class Walk {
 public:
  // Margin of a chunk's window in positions: how far a filter reaches.
  int margin;
  int first, last;  // positions whose results this block writes

  // `lead` positions before `first` may be asked for.
  __device__ Walk(const StreamShape& shape, int chunk, int lead)
      : margin(shape.columns + 1),
        shape_(shape),
        left_(shape.strips == 1 ? 0 : static_cast<int>(blockIdx.y) * inner(shape) - kHalo) {
    const int64_t image_size = static_cast<int64_t>(shape.height) * shape.columns;
    const int64_t start = static_cast<int64_t>(blockIdx.x) * shape.chunks_per_block * chunk;
    const int64_t lowest = start > lead ? start - lead : 0;
    const int64_t image = lowest / image_size;
    const int64_t left_over = (shape.images - image) * image_size;
    // A block's walk is below 2^30 positions: the launcher sees to it.
    end_ = static_cast<int>(left_over < (1 << 30) ? left_over : 1 << 30);
    first_pixel_ = image * shape.height * shape.width;
    first = static_cast<int>(start - image * image_size);
    const int64_t walk_end = first + static_cast<int64_t>(shape.chunks_per_block) * chunk;
    last = static_cast<int>(walk_end < end_ ? walk_end : end_);
  }

  __device__ Place locate(int position) const {
    if (position < 0 || position >= end_) return {false, false, 0, 0};
    const int line = shape_.by_columns.divide(position);  // rows of all images
    const int row = line - static_cast<int>(shape_.by_height.divide(line)) * shape_.height;
    const int column = position - line * shape_.columns;
    const int image_column = column + left_;
    const int halo = shape_.strips == 1 ? 0 : kHalo;
    Place place;
    place.inside = image_column >= 0 && image_column < shape_.width;
    place.owned = place.inside && column >= halo && column < shape_.columns - halo;
    place.neighbours = (row > 0 ? kAbove : 0u) | (row + 1 < shape_.height ? kBelow : 0u) |
                       (column > 0 ? kLeft : 0u) | (column + 1 < shape_.columns ? kRight : 0u);
    place.pixel = first_pixel_ + static_cast<int64_t>(line) * shape_.width + image_column;
    return place;
  }

 private:
  __device__ static int inner(const StreamShape& shape) {
    return shape.columns - 2 * kHalo;
  }

  StreamShape shape_;
  int left_;  // image column of the stream's column 0
  int end_;
  int64_t first_pixel_;
};

// Rows of kChannels 16-bit elements in shared memory, in units of 8 elements. The units of a row
// are permuted so that one unit of 8 rows in succession lies in 8 different groups of 4 banks (for
// 48 channels in 4 groups).
template <int kChannels>
struct Rows {
  static constexpr int kBytes = kChannels * 2;
  static constexpr int kUnits = kChannels / 8;

  __device__ static uint32_t swizzle(uint32_t row) {
    if constexpr (kChannels == 64) return row & 7;
    if constexpr (kChannels == 32) return row >> 1 & 3;
    if constexpr (kChannels == 16) return row >> 2 & 1;
    return 0;
  }
  // Byte offset of a unit from the start of row 0.
  __device__ static uint32_t offset(uint32_t row, uint32_t unit) {
    return row * kBytes + ((unit ^ swizzle(row)) << 4);
  }
};

// A window of a stream as a ring of rows: it moves on by turning `start`. One more row behind the
// ring holds zeros: the neighbours outside an image.
struct Ring {
  int size;   // rows
  int start;  // row of the window's offset 0

  // Row of an offset in 0 <= offset < size from the window's start.
  __device__ __forceinline__ uint32_t row(int offset) const {
    const uint32_t row = start + offset;
    return min(row, row - size);  // the second wraps to a huge number if it is not wanted
  }
  __device__ __forceinline__ uint32_t zeros() const {
    return size;
  }
  __device__ void advance(int rows) {
    start = row(rows);
  }
};

}  // namespace simgan::cuda
