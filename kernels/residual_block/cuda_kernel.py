"""Hands the residual block to the native launchers of csrc/cuda: tensor cores, 16-bit maps.

Run by the emulator of the tests only, not on a GPU yet.
"""

from typing import Any

import torch
from torch import Tensor

from simgan.kernels.layout import memory_format
from simgan.kernels.native import launchers
from simgan.kernels.residual_block.maps import aligned, aligned_last, filled, sizes, to_fill
from simgan.kernels.residual_block.padding import ZEROS

_TYPES = {torch.bfloat16: 0, torch.float16: 1}  # ElementType of csrc/launchers.h


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

    Without `keep_hidden` the hidden map never leaves the chip; an empty tensor takes its place.
    """
    assert padding == ZEROS, "see block_limits"
    layout = memory_format(x, weight1)
    output = torch.empty_like(x, memory_format=layout)
    hidden = torch.empty_like(x, memory_format=layout) if keep_hidden else x.new_empty(0)
    output_last, hidden_last = to_fill(output), to_fill(hidden)
    inputs = (
        aligned_last(x),
        _filters(weight1, weight2),
        aligned(bias1.contiguous()),
        aligned(bias2.contiguous()),
    )
    _launch(
        "residual_block_forward_cuda",
        x.device,
        [tensor.data_ptr() for tensor in (*inputs, hidden_last, output_last)],
        sizes(x),
        _TYPES[x.dtype],
    )
    return filled(output, output_last), filled(hidden, hidden_last)


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
    assert padding == ZEROS, "see block_limits"
    need_x, *need_first = needs[:3]
    need_second = needs[3:]
    gradients = [x.new_empty(0) for _ in needs]
    skip = aligned_last(torch.ops.aten.threshold_backward(grad, output, 0))
    hidden = aligned_last(hidden)
    if need_x or any(need_first):
        grad_x = torch.empty_like(x, memory_format=memory_format(x, weight1))
        grad_x_last = to_fill(grad_x)
        grad_hidden = torch.empty_like(hidden) if any(need_first) else x.new_empty(0)
        filters = _filters(_of_gradient(weight2), _of_gradient(weight1))
        _launch(
            "residual_block_backward_cuda",
            x.device,
            [tensor.data_ptr() for tensor in (skip, filters, hidden, grad_hidden, grad_x_last)],
            sizes(x),
            _TYPES[x.dtype],
        )
        if need_x:
            gradients[0] = filled(grad_x, grad_x_last)
        if any(need_first):
            gradients[1:3] = _filter_gradient(aligned_last(x), grad_hidden, weight1, need_first)
    if any(need_second):
        gradients[3:5] = _filter_gradient(hidden, skip, weight2, need_second)
    grad_x, grad_weight1, grad_bias1, grad_weight2, grad_bias2 = gradients
    return grad_x, grad_weight1, grad_bias1, grad_weight2, grad_bias2


def _filter_gradient(
    maps: Tensor, grad: Tensor, weight: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    """Gradients of a convolution of `maps` by its weight and its bias."""
    channels = weight.shape[0]
    with torch.cuda.device(maps.device):
        count = launchers().residual_block_partials_cuda(sizes(maps))
    partials = torch.empty(count, dtype=torch.float32, device=maps.device)
    filters = weight.new_empty(3, 3, channels, channels)
    bias = weight.new_empty(channels)
    _launch(
        "residual_block_filter_gradient_cuda",
        maps.device,
        [tensor.data_ptr() for tensor in (maps, grad, partials, filters, bias)],
        sizes(maps),
        _TYPES[maps.dtype],
    )
    gradient = torch.empty_like(weight, memory_format=memory_format(weight))
    gradient.copy_(filters.permute(3, 2, 0, 1))
    nothing = weight.new_empty(0)
    return gradient if needs[0] else nothing, bias if needs[1] else nothing


def _launch(name: str, device: torch.device, *arguments: Any) -> None:
    """Calls a native launcher on the current stream of `device`."""
    with torch.cuda.device(device):
        getattr(launchers(), name)(*arguments, torch.cuda.current_stream().cuda_stream)


def _filters(first: Tensor, second: Tensor) -> Tensor:
    """Two weights [out, in, 3, 3] as [2, 3, 3, out, in]."""
    channels = first.shape[0]
    filters = first.new_empty(2, 3, 3, channels, channels)
    for place, weight in zip(filters, (first, second), strict=True):
        place.copy_(weight.permute(2, 3, 0, 1))
    return filters


def _of_gradient(weight: Tensor) -> Tensor:
    """The weight of the convolution that is the gradient by the input."""
    return weight.flip(2, 3).transpose(0, 1)
