// L1 distance between refined and synthetic images, and its gradient (Eq. 4).
#include <cmath>

#include "../launchers.h"
#include "fixed_order_sum.h"
#include "vector_clones.h"

namespace simgan::cpu {
namespace {

SIMGAN_VECTOR_CLONES
void add_distances(const float* a, const float* b, int64_t count, FixedOrderSum& sum) {
  double lanes[kLanes] = {};
  const int64_t whole = count - count % kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += std::fabs(a[i + lane] - b[i + lane]);
  }
  for (int64_t i = whole; i < count; ++i) lanes[i - whole] += std::fabs(a[i] - b[i]);
  for (int lane = 0; lane < kLanes; ++lane) sum.lanes[lane] += lanes[lane];
}

SIMGAN_VECTOR_CLONES
void write_signs(const float* a, const float* b, int64_t count, float scale, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    const float difference = a[i] - b[i];
    const float above = difference > 0.0f ? scale : 0.0f;
    out[i] = difference < 0.0f ? -scale : above;
  }
}

}  // namespace

int self_regularization_forward(const float* refined, const float* synthetic, int64_t count,
                                int64_t images, float* loss) {
  FixedOrderSum sum;
  add_distances(refined, synthetic, count, sum);
  *loss = static_cast<float>(sum.total() / static_cast<double>(images));
  return kOk;
}

int self_regularization_backward(const float* grad, const float* refined, const float* synthetic,
                                 int64_t count, int64_t images, float* grad_refined) {
  write_signs(refined, synthetic, count, *grad / static_cast<float>(images), grad_refined);
  return kOk;
}

}  // namespace simgan::cpu
