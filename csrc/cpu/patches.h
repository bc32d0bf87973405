// Walks over two-class patch maps in blocks, and the log and exp of a block; used by two losses.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>

#include "../launchers.h"
#include "fixed_order_sum.h"

namespace simgan::cpu {

constexpr int64_t kBlock = 128;  // patches worked on at a time; a multiple of kLanes
static_assert(kBlock % kLanes == 0);

// exp(-a) for a >= 0, relative error below 2e-7; a is held at 87, where the result is about 1e-38.
inline float exp_of_negative(float a) {
  const float x = -std::min(a, 87.0f);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const uint32_t exponent = (std::bit_cast<uint32_t>(shifted) + 127u) << 23;
  return p * std::bit_cast<float>(exponent);
}

// log(1 + e) for 0 <= e <= 1 as 2 atanh(e / (2 + e)); keeps its relative precision near 0.
inline float log1p_of_unit(float e) {
  const float s = e / (2.0f + e);
  const float q = s * s;
  float p = 1.0f / 15.0f;
  p = p * q + 1.0f / 13.0f;
  p = p * q + 1.0f / 11.0f;
  p = p * q + 1.0f / 9.0f;
  p = p * q + 1.0f / 7.0f;
  p = p * q + 1.0f / 5.0f;
  p = p * q + 1.0f / 3.0f;
  p = p * q + 1.0f;
  return 2.0f * s * p;
}

// Calls body(first, length) for the patches 0 .. rows * columns of one image in blocks.
template <typename Body>
void for_blocks(const MapLayout& layout, Body body) {
  const int64_t patches = layout.rows * layout.columns;
  for (int64_t first = 0; first < patches; first += kBlock) {
    body(first, std::min(kBlock, patches - first));
  }
}

// Calls body(i, offset) for `length` patches from `first` on, offset in elements from the image.
template <typename Body>
void for_patches(const MapLayout& layout, int64_t first, int64_t length, Body body) {
  int64_t y = first / layout.columns;
  int64_t x = first % layout.columns;
  for (int64_t i = 0; i < length;) {
    const int64_t run = std::min(length - i, layout.columns - x);
    const int64_t base = y * layout.row_stride + x * layout.column_stride;
    for (int64_t j = 0; j < run; ++j) body(i + j, base + j * layout.column_stride);
    i += run;
    x = 0;
    ++y;
  }
}

// How far the wrong class is above the right one.
inline void gather_margins(const float* image, const MapLayout& layout, int target, int64_t first,
                           int64_t length, float* margins) {
  const float* wrong = image + (1 - target) * layout.class_stride;
  const float* right = image + target * layout.class_stride;
  for_patches(layout, first, length,
              [&](int64_t i, int64_t offset) { margins[i] = wrong[offset] - right[offset]; });
}

}  // namespace simgan::cpu
