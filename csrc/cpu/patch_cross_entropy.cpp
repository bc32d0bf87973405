// Cross-entropy of two-class patch maps against one class, and its gradient (Eq. 1 and 2).
#include <algorithm>
#include <bit>
#include <cmath>

#include "../launchers.h"
#include "fixed_order_sum.h"
#include "vector_clones.h"

namespace simgan::cpu {
namespace {

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
void gather_margins(const float* image, const MapLayout& layout, int target, int64_t first,
                    int64_t length, float* margins) {
  const float* wrong = image + (1 - target) * layout.class_stride;
  const float* right = image + target * layout.class_stride;
  for_patches(layout, first, length,
              [&](int64_t i, int64_t offset) { margins[i] = wrong[offset] - right[offset]; });
}

SIMGAN_VECTOR_CLONES
void add_softplus(const float* margins, double* lanes) {
  float values[kBlock];
  for (int64_t i = 0; i < kBlock; ++i) {
    const float m = margins[i];
    values[i] = (m > 0.0f ? m : 0.0f) + log1p_of_unit(exp_of_negative(std::fabs(m)));
    values[i] = m != m ? m : values[i];
  }
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
  }
}

SIMGAN_VECTOR_CLONES
void scaled_sigmoid(const float* margins, float scale, float* slopes) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const float m = margins[i];
    const float e = exp_of_negative(std::fabs(m));
    const float slope = (m > 0.0f ? 1.0f : e) / (1.0f + e) * scale;
    slopes[i] = m != m ? m : slope;
  }
}

}  // namespace

int patch_cross_entropy_forward(const float* logits, const MapLayout& layout, int target,
                                float* loss) {
  FixedOrderSum sum;
  float margins[kBlock];
  for (int64_t n = 0; n < layout.images; ++n) {
    const float* image = logits + n * layout.image_stride;
    for_blocks(layout, [&](int64_t first, int64_t length) {
      gather_margins(image, layout, target, first, length, margins);
      // Patches that do not exist: each adds about 1e-38, far below the last bit of the loss.
      std::fill(margins + length, margins + kBlock, -INFINITY);
      add_softplus(margins, sum.lanes);
    });
  }
  *loss = static_cast<float>(sum.total() / static_cast<double>(layout.images));
  return kOk;
}

int patch_cross_entropy_backward(const float* grad, const float* logits, const MapLayout& layout,
                                 int target, float* grad_logits, const MapLayout& grad_layout) {
  const float scale = *grad / static_cast<float>(layout.images);
  float margins[kBlock] = {};
  float slopes[kBlock];
  for (int64_t n = 0; n < layout.images; ++n) {
    const float* image = logits + n * layout.image_stride;
    float* wrong =
        grad_logits + n * grad_layout.image_stride + (1 - target) * grad_layout.class_stride;
    float* right = grad_logits + n * grad_layout.image_stride + target * grad_layout.class_stride;
    for_blocks(layout, [&](int64_t first, int64_t length) {
      gather_margins(image, layout, target, first, length, margins);
      scaled_sigmoid(margins, scale, slopes);
      for_patches(grad_layout, first, length, [&](int64_t i, int64_t offset) {
        wrong[offset] = slopes[i];
        right[offset] = -slopes[i];
      });
    });
  }
  return kOk;
}

}  // namespace simgan::cpu
