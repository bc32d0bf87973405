// Cross-entropy of two-class patch maps against one class, and its gradient (Eq. 1 and 2).
#include "patches.h"
#include "vector_clones.h"

namespace simgan::cpu {
namespace {

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
