// The launchers for sm_90a.
#include "bindings.h"

namespace simgan::python {
namespace {

using Sizes = std::array<int64_t, 4>;
using Addresses = std::vector<Address>;

std::vector<void*> pointers(const Addresses& addresses) {
  std::vector<void*> found;
  for (const Address address : addresses) found.push_back(at<void>(address));
  return found;
}

cuda::Trunk trunk_of(const std::vector<void*>& parameters, const Sizes& maps) {
  return {block_shape(maps), static_cast<int64_t>(parameters.size() / 4), parameters.data()};
}

}  // namespace

void bind_residual_trunk(py::module_& m) {
  m.def("residual_trunk_sizes_cuda", [](const Sizes& maps, int64_t blocks) {
    int64_t kept = 0, workspace = 0;
    check_cuda(cuda::residual_trunk_sizes({block_shape(maps), blocks, nullptr}, &kept, &workspace));
    return std::array<int64_t, 2>{kept, workspace};
  });
  m.def(
      "residual_trunk_forward_cuda",
      [](const std::array<Address, 4>& tensors, const Addresses& parameters, const Sizes& maps,
         Address stream) {
        const auto& [input, kept, workspace, output] = tensors;
        const auto values = pointers(parameters);
        check_cuda(cuda::residual_trunk_forward(trunk_of(values, maps), at<void>(input),
                                                at<void>(kept), at<void>(workspace),
                                                at<void>(output), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "residual_trunk_backward_cuda",
      [](const std::array<Address, 5>& tensors, const Addresses& parameters,
         const Addresses& gradients, const Sizes& maps, Address stream) {
        const auto& [grad, output, kept, workspace, grad_input] = tensors;
        const auto values = pointers(parameters), results = pointers(gradients);
        check_cuda(cuda::residual_trunk_backward(
            trunk_of(values, maps), at<void>(grad), at<void>(output), at<void>(kept),
            at<void>(workspace), {at<void>(grad_input), results.data()}, at<void>(stream)));
      },
      Unlocked());
}

}  // namespace simgan::python
