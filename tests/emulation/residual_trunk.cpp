// The residual blocks on sm_90a, launchers and all, as a library that needs no GPU.
#include "../../csrc/cuda/residual_trunk.cu"

#include "controls.h"

extern "C" {

int trunk_sizes(const simgan::cuda::Trunk* trunk, int64_t* kept, int64_t* workspace) {
  return simgan::cuda::residual_trunk_sizes(*trunk, kept, workspace);
}

int trunk_forward(const simgan::cuda::Trunk* trunk, const void* input, void* kept, void* workspace,
                  void* output) {
  return simgan::cuda::residual_trunk_forward(*trunk, input, kept, workspace, output, nullptr);
}

int trunk_backward(const simgan::cuda::Trunk* trunk, const void* grad, const void* output,
                   const void* kept, void* workspace, void* grad_input, void* const* gradients) {
  return simgan::cuda::residual_trunk_backward(*trunk, grad, output, kept, workspace,
                                               {grad_input, gradients}, nullptr);
}

}  // extern "C"
