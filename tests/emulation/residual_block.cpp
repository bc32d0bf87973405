// The CUDA residual block, launchers and all, as a library that needs no GPU.
#include "../../csrc/cuda/residual_block.cu"

extern "C" {

int run_residual_block(int backward, const simgan::cuda::HalfBlock* block,
                       const simgan::BlockShape* maps, int type) {
  const auto element = static_cast<simgan::cuda::ElementType>(type);
  return backward ? simgan::cuda::residual_block_backward(*block, *maps, element, nullptr)
                  : simgan::cuda::residual_block_forward(*block, *maps, element, nullptr);
}

int64_t partials_of(const simgan::BlockShape* maps) {
  int64_t count = -1;
  return simgan::cuda::residual_block_partials(*maps, &count) == 0 ? count : -1;
}

int run_filter_gradient(const void* input, const void* grad, const simgan::BlockShape* maps,
                        int type, float* partials, void* filters, void* bias) {
  return simgan::cuda::residual_block_filter_gradient(input, grad, *maps,
                                                      static_cast<simgan::cuda::ElementType>(type),
                                                      partials, filters, bias, nullptr);
}

const char* last_failure() {
  return emulation::failure.text;
}

void set_gpu(int multiprocessors, int shared_per_multiprocessor, int shared_per_block) {
  emulation::gpu = {multiprocessors, shared_per_multiprocessor, shared_per_block};
}

void set_falling_order(int falling) {
  emulation::machine.falling_order = falling != 0;
}

}  // extern "C"
