"""The residual block in plain torch: the definition of the op, for any device; float64 allowed."""

import torch
import torch.nn.functional as F
from torch import Tensor

from simgan.kernels.layout import memory_format


def forward(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    keep_hidden: bool = True,
) -> tuple[Tensor, Tensor]:
    """The block's output and its hidden map (after the first relu), both [N, C, H, W].

    Without `keep_hidden` an empty tensor takes the place of the hidden map.
    """
    layout = memory_format(x, weight1)
    padding = weight1.shape[-1] // 2
    hidden = F.conv2d(x, weight1, bias1, padding=padding).relu_()
    output = F.conv2d(hidden, weight2, bias2, padding=padding).add_(x).relu_()
    output = output.contiguous(memory_format=layout)
    return output, hidden.contiguous(memory_format=layout) if keep_hidden else x.new_empty(0)


def backward(
    grad: Tensor,
    x: Tensor,
    hidden: Tensor,
    output: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients by x, weight1, bias1, weight2, bias2; an empty tensor where `needs` is False."""
    layout = memory_format(x, weight1)
    need_x, need_weight1, need_bias1, need_weight2, need_bias2 = needs
    # relu's derivative is read off its output: the pre-activations are never kept.
    skip = torch.ops.aten.threshold_backward(grad, output, 0).contiguous(memory_format=layout)
    need_hidden = need_x or need_weight1 or need_bias1
    grad_hidden, grad_weight2, grad_bias2 = _convolution_backward(
        skip, hidden, weight2, [need_hidden, need_weight2, need_bias2]
    )
    grad_x = grad_weight1 = grad_bias1 = None
    if grad_hidden is not None:
        torch.ops.aten.threshold_backward.grad_input(grad_hidden, hidden, 0, grad_input=grad_hidden)
        grad_x, grad_weight1, grad_bias1 = _convolution_backward(
            grad_hidden, x, weight1, [need_x, need_weight1, need_bias1]
        )
    if grad_x is not None:
        grad_x = grad_x.add_(skip).contiguous(memory_format=layout)
    return (
        x.new_empty(0) if grad_x is None else grad_x,
        x.new_empty(0) if grad_weight1 is None else _like(grad_weight1, weight1),
        x.new_empty(0) if grad_bias1 is None else grad_bias1,
        x.new_empty(0) if grad_weight2 is None else _like(grad_weight2, weight2),
        x.new_empty(0) if grad_bias2 is None else grad_bias2,
    )


def _convolution_backward(
    grad: Tensor, x: Tensor, weight: Tensor, mask: list[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    padding = [weight.shape[-1] // 2] * 2
    gradients: tuple[Tensor | None, Tensor | None, Tensor | None] = (
        torch.ops.aten.convolution_backward(
            grad, x, weight, [weight.shape[0]], [1, 1], padding, [1, 1], False, [0, 0], 1, mask
        )
    )
    return gradients


def _like(grad: Tensor, weight: Tensor) -> Tensor:
    return grad.contiguous(memory_format=memory_format(weight))
