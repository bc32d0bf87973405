// simgan.kernels._native: hands addresses and sizes to the launchers, turns their codes into
// exceptions.
#include "bindings.h"

namespace {

using namespace simgan::python;

using Layout = std::array<int64_t, 7>;  // the members of MapLayout in order

simgan::MapLayout layout_of(const Layout& l) {
  return {l[0], l[1], l[2], l[3], l[4], l[5], l[6]};
}

// Addresses of logits, refined, target.
simgan::RefinerLossInputs loss_inputs(const std::array<Address, 3>& a, const Layout& layout,
                                      int64_t count, float lambda_reg) {
  return {at<float>(a[0]), layout_of(layout), at<float>(a[1]), at<float>(a[2]), count, lambda_reg};
}

// Addresses of total, realism, regularization, slopes, signs.
simgan::RefinerLossOutputs loss_outputs(const std::array<Address, 5>& a, const Layout& layout) {
  return {at<float>(a[0]), at<float>(a[1]),   at<float>(a[2]),
          at<float>(a[3]), layout_of(layout), at<int8_t>(a[4])};
}

void bind_cpu(py::module_& m) {
  bind_residual_block(m);
  m.def(
      "patch_cross_entropy_forward_cpu",
      [](Address logits, const Layout& layout, int target, Address loss) {
        check_cpu(simgan::cpu::patch_cross_entropy_forward(at<float>(logits), layout_of(layout),
                                                           target, at<float>(loss)));
      },
      Unlocked());
  m.def(
      "patch_cross_entropy_backward_cpu",
      [](Address grad, Address logits, const Layout& layout, int target, Address grad_logits,
         const Layout& grad_layout) {
        check_cpu(simgan::cpu::patch_cross_entropy_backward(
            at<float>(grad), at<float>(logits), layout_of(layout), target, at<float>(grad_logits),
            layout_of(grad_layout)));
      },
      Unlocked());
  m.def(
      "self_regularization_forward_cpu",
      [](Address refined, Address synthetic, int64_t count, int64_t images, Address loss) {
        check_cpu(simgan::cpu::self_regularization_forward(at<float>(refined), at<float>(synthetic),
                                                           count, images, at<float>(loss)));
      },
      Unlocked());
  m.def(
      "self_regularization_backward_cpu",
      [](Address grad, Address refined, Address synthetic, int64_t count, int64_t images,
         Address grad_refined) {
        check_cpu(simgan::cpu::self_regularization_backward(at<float>(grad), at<float>(refined),
                                                            at<float>(synthetic), count, images,
                                                            at<float>(grad_refined)));
      },
      Unlocked());
  m.def(
      "refiner_loss_forward_cpu",
      [](const std::array<Address, 3>& inputs, const Layout& layout, int64_t count,
         float lambda_reg, const std::array<Address, 5>& outputs, const Layout& slopes_layout) {
        check_cpu(simgan::cpu::refiner_loss_forward(loss_inputs(inputs, layout, count, lambda_reg),
                                                    loss_outputs(outputs, slopes_layout)));
      },
      Unlocked());
  m.def(
      "refiner_loss_backward_cpu",
      [](Address grad, Address slopes, int64_t slopes_count, Address grad_logits, Address signs,
         int64_t signs_count, float scale, Address grad_refined) {
        check_cpu(simgan::cpu::refiner_loss_backward(
            at<float>(grad), at<float>(slopes), slopes_count, at<float>(grad_logits),
            at<int8_t>(signs), signs_count, scale, at<float>(grad_refined)));
      },
      Unlocked());
  m.def(
      "history_replace_cpu",
      [](Address buffer, int64_t capacity, Address refined, Address slots, int64_t count,
         int64_t row_bytes) {
        check_cpu(simgan::cpu::history_replace(at<void>(buffer), capacity, at<void>(refined),
                                               at<int64_t>(slots), count, row_bytes));
      },
      Unlocked());
  m.def(
      "history_exchange_cpu",
      [](Address buffer, int64_t capacity, Address refined, int64_t count, int64_t row_bytes,
         Address state, Address old) {
        check_cpu(simgan::cpu::history_exchange(at<void>(buffer), capacity, at<void>(refined),
                                                count, row_bytes, at<int64_t>(state),
                                                at<void>(old)));
      },
      Unlocked());
}

#ifdef SIMGAN_WITH_CUDA

void bind_residual_block_cuda(py::module_& m) {
  using Sizes = std::array<int64_t, 4>;
  m.def(
      "residual_block_forward_cuda",
      [](const std::array<Address, 6>& tensors, const Sizes& maps, int type, Address stream) {
        const auto& [x, filters, bias1, bias2, hidden, output] = tensors;
        check_cuda(simgan::cuda::residual_block_forward(
            {at<void>(x), at<void>(filters), at<void>(bias1), at<void>(bias2), nullptr,
             at<void>(hidden), at<void>(output)},
            block_shape(maps), static_cast<simgan::cuda::ElementType>(type), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "residual_block_backward_cuda",
      [](const std::array<Address, 5>& tensors, const Sizes& maps, int type, Address stream) {
        const auto& [skip, filters, hidden, grad_hidden, grad_x] = tensors;
        check_cuda(simgan::cuda::residual_block_backward(
            {at<void>(skip), at<void>(filters), nullptr, nullptr, at<void>(hidden),
             at<void>(grad_hidden), at<void>(grad_x)},
            block_shape(maps), static_cast<simgan::cuda::ElementType>(type), at<void>(stream)));
      },
      Unlocked());
  m.def("residual_block_partials_cuda", [](const Sizes& maps) {
    int64_t count = 0;
    check_cuda(simgan::cuda::residual_block_partials(block_shape(maps), &count));
    return count;
  });
  m.def(
      "residual_block_filter_gradient_cuda",
      [](const std::array<Address, 5>& tensors, const Sizes& maps, int type, Address stream) {
        const auto& [input, grad, partials, filters, bias] = tensors;
        check_cuda(simgan::cuda::residual_block_filter_gradient(
            at<void>(input), at<void>(grad), block_shape(maps),
            static_cast<simgan::cuda::ElementType>(type), at<float>(partials), at<void>(filters),
            at<void>(bias), at<void>(stream)));
      },
      Unlocked());
}

void bind_cuda(py::module_& m) {
  bind_residual_block_cuda(m);
#ifdef SIMGAN_WITH_HOPPER
  bind_residual_trunk(m);
#endif
  m.def("partial_sums", &simgan::cuda::partial_sums);
  m.def(
      "patch_cross_entropy_forward_cuda",
      [](Address logits, const Layout& layout, int target, Address partials, Address loss,
         Address stream) {
        check_cuda(simgan::cuda::patch_cross_entropy_forward(at<float>(logits), layout_of(layout),
                                                             target, at<float>(partials),
                                                             at<float>(loss), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "patch_cross_entropy_backward_cuda",
      [](Address grad, Address logits, const Layout& layout, int target, Address grad_logits,
         const Layout& grad_layout, Address stream) {
        check_cuda(simgan::cuda::patch_cross_entropy_backward(
            at<float>(grad), at<float>(logits), layout_of(layout), target, at<float>(grad_logits),
            layout_of(grad_layout), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "self_regularization_forward_cuda",
      [](Address refined, Address synthetic, int64_t count, int64_t images, Address partials,
         Address loss, Address stream) {
        check_cuda(simgan::cuda::self_regularization_forward(
            at<float>(refined), at<float>(synthetic), count, images, at<float>(partials),
            at<float>(loss), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "self_regularization_backward_cuda",
      [](Address grad, Address refined, Address synthetic, int64_t count, int64_t images,
         Address grad_refined, Address stream) {
        check_cuda(simgan::cuda::self_regularization_backward(
            at<float>(grad), at<float>(refined), at<float>(synthetic), count, images,
            at<float>(grad_refined), at<void>(stream)));
      },
      Unlocked());
  m.def("refiner_loss_partials", &simgan::cuda::refiner_loss_partials);
  m.def(
      "refiner_loss_forward_cuda",
      [](const std::array<Address, 3>& inputs, const Layout& layout, int64_t count,
         float lambda_reg, const std::array<Address, 5>& outputs, const Layout& slopes_layout,
         Address partials, Address ticket, Address stream) {
        check_cuda(simgan::cuda::refiner_loss_forward(
            loss_inputs(inputs, layout, count, lambda_reg), loss_outputs(outputs, slopes_layout),
            at<float>(partials), at<uint32_t>(ticket), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "refiner_loss_backward_cuda",
      [](Address grad, Address slopes, int64_t slopes_count, Address grad_logits, Address signs,
         int64_t signs_count, float scale, Address grad_refined, Address stream) {
        check_cuda(simgan::cuda::refiner_loss_backward(
            at<float>(grad), at<float>(slopes), slopes_count, at<float>(grad_logits),
            at<int8_t>(signs), signs_count, scale, at<float>(grad_refined), at<void>(stream)));
      },
      Unlocked());
  m.def(
      "history_replace_cuda",
      [](Address buffer, int64_t capacity, Address refined, Address slots, int64_t count,
         int64_t row_bytes, Address stream) {
        check_cuda(simgan::cuda::history_replace(at<void>(buffer), capacity, at<void>(refined),
                                                 at<int64_t>(slots), count, row_bytes,
                                                 at<void>(stream)));
      },
      Unlocked());
  m.def(
      "history_exchange_cuda",
      [](Address buffer, int64_t capacity, Address refined, int64_t count, int64_t row_bytes,
         Address state, Address old, Address stream) {
        check_cuda(simgan::cuda::history_exchange(at<void>(buffer), capacity, at<void>(refined),
                                                  count, row_bytes, at<int64_t>(state),
                                                  at<void>(old), at<void>(stream)));
      },
      Unlocked());
}

#else

void bind_cuda(py::module_&) {}

#endif

py::dict native_info() {
  py::dict info;
  info["interface"] = simgan::kInterface;
  info["compiler"] = SIMGAN_COMPILER;
  info["cpu"] = true;
  py::list architectures;
#ifdef SIMGAN_WITH_CUDA
  const std::string list = SIMGAN_CUDA_ARCHITECTURES;  // "80 90a"
  size_t start = 0;
  while (start < list.size()) {
    const size_t end = std::min(list.find(' ', start), list.size());
    architectures.append("sm_" + list.substr(start, end - start));
    start = end + 1;
  }
#endif
  info["cuda"] = architectures;
  return info;
}

}  // namespace

PYBIND11_MODULE(_native, m) {
  m.doc() = "Native launchers of simgan.kernels: raw addresses and sizes, no checks of tensors.";
  m.def("native_info", &native_info,
        "Which parts are built: {'interface': int, 'compiler': str, 'cpu': bool, 'cuda': [arch]}.");
  bind_cpu(m);
  bind_cuda(m);
}
