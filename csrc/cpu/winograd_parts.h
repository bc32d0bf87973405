// How a filter is cut into parts of 3x3 taps. Included by winograd_kernels.h only, inside the
// namespace of one instruction set.

// Three taps along one side of a filter of `kernel` taps. Of the first and of the last span, one
// may lie outside and is 0. So is its evaluation point then: 0 before the filter, infinity behind.
struct Span {
  int64_t first, kernel;

  // Pixels from the result's to the one under the first tap.
  int64_t offset() const {
    return first - kernel / 2;
  }
  bool has_tap(int tap) const {
    return first + tap >= 0 && first + tap < kernel;
  }
  bool has_point(int point) const {
    return (point > 0 || has_tap(0)) && (point < 5 || has_tap(2));
  }
};

struct Part {
  Span rows, columns;

  bool has_tap(int row, int column) const {
    return rows.has_tap(row) && columns.has_tap(column);
  }
  bool has_point(int point) const {
    return rows.has_point(point / 6) && columns.has_point(point % 6);
  }
  // Where its taps [in][out] begin.
  int64_t tap_at(int row, int column, int64_t channels) const {
    return ((rows.first + row) * rows.kernel + columns.first + column) * channels * channels;
  }
};

// Part number `index` < parts_of(kernel). The spans lie around the filter's middle: that halves the
// error of zeros on one side only.
inline Part part_of(int64_t kernel, int64_t index) {
  const int64_t spans = (kernel + 2) / 3, before = (3 * spans - kernel) / 2;
  return {{3 * (index / spans) - before, kernel}, {3 * (index % spans) - before, kernel}};
}
