// The refiner's loss and all its gradients in one pass over the images (Eq. 4).
#include "patches.h"
#include "vector_clones.h"

namespace simgan::cpu {
namespace {

constexpr int kReal = 0;
constexpr int64_t kRun = 512;  // numbers worked on at a time; a multiple of kLanes
static_assert(kRun % kLanes == 0);

// Adds softplus of the margins to the lanes and leaves its derivative times `scale` in `slopes`.
SIMGAN_VECTOR_CLONES
void softplus_and_slopes(const float* margins, double* lanes, float scale, float* slopes) {
  float values[kBlock];
  for (int64_t i = 0; i < kBlock; ++i) {
    const float m = margins[i];
    const float e = exp_of_negative(std::fabs(m));
    const float value = (m > 0.0f ? m : 0.0f) + log1p_of_unit(e);
    const float slope = (m > 0.0f ? 1.0f : e) / (1.0f + e) * scale;
    values[i] = m != m ? m : value;
    slopes[i] = m != m ? m : slope;
  }
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
  }
}

// Adds |a - b| to the lanes; `signs`, of a - b, may be nullptr.
SIMGAN_VECTOR_CLONES
void add_distances(const float* a, const float* b, int64_t count, FixedOrderSum& sum,
                   int8_t* signs) {
  double lanes[kLanes] = {};
  for (int64_t first = 0; first < count; first += kRun) {
    const int64_t end = std::min(first + kRun, count);
    const int64_t whole = end - (end - first) % kLanes;
    for (int64_t i = first; i < whole; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += std::fabs(a[i + lane] - b[i + lane]);
    }
    for (int64_t i = whole; i < end; ++i) lanes[i - whole] += std::fabs(a[i] - b[i]);
    if (signs == nullptr) continue;
    for (int64_t i = first; i < end; ++i) {
      signs[i] = static_cast<int8_t>((a[i] > b[i]) - (a[i] < b[i]));
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) sum.lanes[lane] += lanes[lane];
}

SIMGAN_VECTOR_CLONES
void scale_slopes(const float* slopes, int64_t count, float scale, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = slopes[i] * scale;
}

SIMGAN_VECTOR_CLONES
void scale_signs(const int8_t* signs, int64_t count, float scale, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(signs[i]) * scale;
}

void add_realism(const RefinerLossInputs& from, const RefinerLossOutputs& to, int64_t image,
                 FixedOrderSum& sum) {
  const MapLayout &layout = from.layout, &out = to.slopes_layout;
  const float* logits = from.logits + image * layout.image_stride;
  const float scale = 1.0f / static_cast<float>(layout.images);
  float margins[kBlock], slopes[kBlock];
  for_blocks(layout, [&](int64_t first, int64_t length) {
    gather_margins(logits, layout, kReal, first, length, margins);
    // Patches that do not exist: each adds about 1e-38, far below the last bit of the loss.
    std::fill(margins + length, margins + kBlock, -INFINITY);
    softplus_and_slopes(margins, sum.lanes, scale, slopes);
    if (to.slopes == nullptr) return;
    float* right = to.slopes + image * out.image_stride + kReal * out.class_stride;
    float* wrong = to.slopes + image * out.image_stride + (1 - kReal) * out.class_stride;
    for_patches(out, first, length, [&](int64_t i, int64_t offset) {
      wrong[offset] = slopes[i];
      right[offset] = -slopes[i];
    });
  });
}

}  // namespace

int refiner_loss_forward(const RefinerLossInputs& from, const RefinerLossOutputs& to) {
  FixedOrderSum patches, distances;
  for (int64_t image = 0; image < from.layout.images; ++image) {
    add_realism(from, to, image, patches);
  }
  add_distances(from.refined, from.target, from.count, distances, to.signs);
  const auto images = static_cast<double>(from.layout.images);
  const double realism = patches.total() / images;
  const double regularization = distances.total() / images;
  *to.realism = static_cast<float>(realism);
  *to.regularization = static_cast<float>(regularization);
  *to.total = static_cast<float>(realism + from.lambda_reg * regularization);
  return kOk;
}

int refiner_loss_backward(const float* grad, const float* slopes, int64_t slopes_count,
                          float* grad_logits, const int8_t* signs, int64_t signs_count, float scale,
                          float* grad_refined) {
  if (grad_logits != nullptr) scale_slopes(slopes, slopes_count, *grad, grad_logits);
  if (grad_refined != nullptr) scale_signs(signs, signs_count, *grad * scale, grad_refined);
  return kOk;
}

}  // namespace simgan::cpu
