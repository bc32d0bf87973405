"""The residual block in plain torch: the definition of the op, for any device; float64 allowed."""

import torch
import torch.nn.functional as F
from torch import Tensor

from simgan.kernels.layout import memory_format
from simgan.kernels.residual_block.padding import ZEROS, convolve, fold_border


def forward(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    keep_hidden: bool = True,
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor]:
    """The block's output and its hidden map (after the first relu), both [N, C, H, W].

    Without `keep_hidden` an empty tensor takes the place of the hidden map.
    """
    layout = memory_format(x, weight1)
    hidden = convolve(x, weight1, bias1, padding).relu_()
    output = convolve(hidden, weight2, bias2, padding).add_(x).relu_()
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
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients by x, weight1, bias1, weight2, bias2; an empty tensor where `needs` is False."""
    layout = memory_format(x, weight1)
    need_x, need_weight1, need_bias1, need_weight2, need_bias2 = needs
    # relu's derivative is read off its output: the pre-activations are never kept.
    skip = torch.ops.aten.threshold_backward(grad, output, 0).contiguous(memory_format=layout)
    need_hidden = need_x or need_weight1 or need_bias1
    grad_hidden, grad_weight2, grad_bias2 = _convolution_backward(
        skip, hidden, weight2, [need_hidden, need_weight2, need_bias2], padding
    )
    grad_x = grad_weight1 = grad_bias1 = None
    if grad_hidden is not None:
        torch.ops.aten.threshold_backward.grad_input(grad_hidden, hidden, 0, grad_input=grad_hidden)
        grad_x, grad_weight1, grad_bias1 = _convolution_backward(
            grad_hidden, x, weight1, [need_x, need_weight1, need_bias1], padding
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
    grad: Tensor, x: Tensor, weight: Tensor, mask: list[bool], padding: str
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    border = weight.shape[-1] // 2
    replicated = padding != ZEROS and border > 0
    if replicated:
        x = F.pad(x, (border,) * 4, mode="replicate")
    zeros = [0 if replicated else border] * 2
    grad_x, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
        grad, x, weight, [weight.shape[0]], [1, 1], zeros, [1, 1], False, [0, 0], 1, mask
    )
    if replicated and grad_x is not None:
        grad_x = fold_border(grad_x, border)
    return grad_x, grad_weight, grad_bias


def _like(grad: Tensor, weight: Tensor) -> Tensor:
    return grad.contiguous(memory_format=memory_format(weight))
