// Where the patches of a two-class map lie, and what they hold; used by two losses.
#pragma once

#include "../launchers.h"

namespace simgan::cuda {

// Offset in elements of patch i, counted over images, rows and columns.
__device__ inline int64_t patch_offset(const MapLayout& layout, int64_t i) {
  const int64_t row = i / layout.columns;
  const int64_t image = row / layout.rows;
  return image * layout.image_stride + (row - image * layout.rows) * layout.row_stride +
         (i - row * layout.columns) * layout.column_stride;
}

// How far the wrong class is above the right one.
__device__ inline float margin_at(const float* logits, const MapLayout& layout, int target,
                                  int64_t i) {
  const float* patch = logits + patch_offset(layout, i);
  return patch[(1 - target) * layout.class_stride] - patch[target * layout.class_stride];
}

inline int64_t patches(const MapLayout& layout) {
  return layout.images * layout.rows * layout.columns;
}

}  // namespace simgan::cuda
