// The CUDA residual block, launchers and all, as a library that needs no GPU.
#include "../../csrc/cuda/residual_block.cu"

#include "controls.h"

extern "C" {

int residual_block(int backward, const simgan::cuda::HalfBlock* block,
                   const simgan::BlockShape* maps, int type) {
  const auto element = static_cast<simgan::cuda::ElementType>(type);
  return backward ? simgan::cuda::residual_block_backward(*block, *maps, element, nullptr)
                  : simgan::cuda::residual_block_forward(*block, *maps, element, nullptr);
}

int residual_block_partials(const simgan::BlockShape* maps, int64_t* count) {
  return simgan::cuda::residual_block_partials(*maps, count);
}

int residual_block_filter_gradient(const void* input, const void* grad,
                                   const simgan::BlockShape* maps, int type, float* partials,
                                   void* filters, void* bias) {
  return simgan::cuda::residual_block_filter_gradient(input, grad, *maps,
                                                      static_cast<simgan::cuda::ElementType>(type),
                                                      partials, filters, bias, nullptr);
}

int strips(const simgan::BlockShape* maps, int filters) {
  simgan::cuda::Plan plan{};
  const int error =
      simgan::cuda::choose(simgan::cuda::kHalf, maps->channels, [&](auto, auto channels) -> int {
        return filters ? simgan::cuda::plan_filters<channels()>(*maps, &plan)
                       : simgan::cuda::plan_block<channels()>(*maps, &plan);
      });
  return error == 0 ? plan.shape.strips : -1;
}

uint32_t divide(uint32_t n, uint32_t divisor) {
  return simgan::cuda::Divisor::of(divisor).divide(n);
}

}  // extern "C"
