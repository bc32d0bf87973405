// The launchers of the residual block on a CPU.
#include "bindings.h"

namespace simgan::python {

using Filters = std::array<int64_t, 2>;  // the members of BlockFilters

static BlockFilters block_filters(const Filters& f) {
  return {f[0], static_cast<Padding>(f[1])};
}

void bind_residual_block(py::module_& m) {
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    while (const char* name = cpu::instruction_set(static_cast<int>(names.size()))) {
      names.emplace_back(name);
    }
    return names;
  });
  m.def(
      "residual_block_forward_cpu",
      [](const std::array<Address, 5>& inputs, const std::array<int64_t, 4>& shape,
         const Filters& filters, Address hidden, Address output, int threads, int instructions) {
        const auto& [x, taps1, bias1, taps2, bias2] = inputs;
        check_cpu(cpu::residual_block_forward(
            {at<float>(x), at<float>(taps1), at<float>(bias1), at<float>(taps2), at<float>(bias2)},
            block_shape(shape), block_filters(filters), at<float>(hidden), at<float>(output),
            threads, instructions));
      },
      Unlocked());
  m.def(
      "residual_trunk_forward_cpu",
      [](Address x, const std::vector<std::array<Address, 4>>& parameters,
         const std::array<int64_t, 4>& shape, const Filters& filters, Address output, int threads,
         int instructions) {
        std::vector<BlockInputs> blocks;
        for (const auto& [taps1, bias1, taps2, bias2] : parameters) {
          const Address from = blocks.empty() ? x : output;
          blocks.push_back({at<float>(from), at<float>(taps1), at<float>(bias1), at<float>(taps2),
                            at<float>(bias2)});
        }
        check_cpu(cpu::residual_trunk_forward(blocks, block_shape(shape), block_filters(filters),
                                              at<float>(output), threads, instructions));
      },
      Unlocked());
  m.def(
      "residual_block_backward_cpu",
      [](const std::array<Address, 6>& activations, const std::array<int64_t, 4>& shape,
         const Filters& filters, const std::array<Address, 5>& gradients, int threads,
         int instructions) {
        const auto& [grad, x, hidden, output, taps1, taps2] = activations;
        const auto& [grad_x, grad_taps1, grad_bias1, grad_taps2, grad_bias2] = gradients;
        check_cpu(cpu::residual_block_backward(
            {at<float>(grad), at<float>(x), at<float>(hidden), at<float>(output), at<float>(taps1),
             at<float>(taps2)},
            block_shape(shape), block_filters(filters),
            {at<float>(grad_x), at<float>(grad_taps1), at<float>(grad_bias1), at<float>(grad_taps2),
             at<float>(grad_bias2)},
            threads, instructions));
      },
      Unlocked());
}

}  // namespace simgan::python
