"""Hands the residual block to the native launchers of csrc/cuda: tensor cores, 16-bit maps.

Run by the emulator of the tests only, not on a GPU yet.
"""

from typing import Any

import torch
from torch import Tensor

from simgan.kernels.layout import memory_format
from simgan.kernels.native import launchers

_TYPES = {torch.bfloat16: 0, torch.float16: 1}  # ElementType of csrc/launchers.h


def forward(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    keep_hidden: bool = True,
) -> tuple[Tensor, Tensor]:
    """The block's output and its hidden map (after the first relu), both [N, C, H, W].

    Without `keep_hidden` the hidden map never leaves the chip; an empty tensor takes its place.
    """
    layout = memory_format(x, weight1)
    output = _empty_last(x)
    hidden = _empty_last(x) if keep_hidden else x.new_empty(0)
    inputs = (_last(x), _filters(weight1, weight2), bias1.contiguous(), bias2.contiguous())
    _launch(
        "residual_block_forward_cuda",
        x.device,
        [tensor.data_ptr() for tensor in (*inputs, hidden, output)],
        _sizes(x),
        _TYPES[x.dtype],
    )
    hidden = hidden.contiguous(memory_format=layout) if keep_hidden else hidden
    return output.contiguous(memory_format=layout), hidden


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
    need_x, need_weight1, need_bias1, need_weight2, need_bias2 = needs
    gradients = [x.new_empty(0) for _ in needs]
    skip = _last(torch.ops.aten.threshold_backward(grad, output, 0))
    hidden = _last(hidden)
    if need_x or need_weight1 or need_bias1:
        first = need_weight1 or need_bias1
        grad_hidden = _empty_last(x) if first else x.new_empty(0)
        grad_x = _empty_last(x)
        filters = _filters(_of_gradient(weight2), _of_gradient(weight1))
        _launch(
            "residual_block_backward_cuda",
            x.device,
            [tensor.data_ptr() for tensor in (skip, filters, hidden, grad_hidden, grad_x)],
            _sizes(x),
            _TYPES[x.dtype],
        )
        if need_x:
            gradients[0] = grad_x.contiguous(memory_format=memory_format(x, weight1))
        if first:
            gradients[1:3] = _filter_gradient(_last(x), grad_hidden, weight1, needs[1:3])
    if need_weight2 or need_bias2:
        gradients[3:5] = _filter_gradient(hidden, skip, weight2, needs[3:5])
    grad_x, grad_weight1, grad_bias1, grad_weight2, grad_bias2 = gradients
    return grad_x, grad_weight1, grad_bias1, grad_weight2, grad_bias2


def _filter_gradient(
    maps: Tensor, grad: Tensor, weight: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    """Gradients of a convolution of `maps` by its weight and its bias."""
    channels = weight.shape[0]
    count = _launch("residual_block_partials_cuda", maps.device, _sizes(maps), stream=False)
    partials = torch.empty(count, dtype=torch.float32, device=maps.device)
    filters = weight.new_empty(3, 3, channels, channels)
    bias = weight.new_empty(channels)
    _launch(
        "residual_block_filter_gradient_cuda",
        maps.device,
        [tensor.data_ptr() for tensor in (maps, grad, partials, filters, bias)],
        _sizes(maps),
        _TYPES[maps.dtype],
    )
    gradient = filters.permute(3, 2, 0, 1).contiguous(memory_format=memory_format(weight))
    nothing = weight.new_empty(0)
    return gradient if needs[0] else nothing, bias if needs[1] else nothing


def _launch(name: str, device: torch.device, *arguments: Any, stream: bool = True) -> Any:
    """Calls a native launcher for `device`, by default on the current stream there."""
    with torch.cuda.device(device):
        queue = [torch.cuda.current_stream().cuda_stream] if stream else []
        return getattr(launchers(), name)(*arguments, *queue)


def _sizes(maps: Tensor) -> list[int]:
    images, channels, height, width = maps.shape
    return [images, height, width, channels]


def _last(maps: Tensor) -> Tensor:
    """[N, C, H, W] stored gapless as [N, H, W, C]; free for channels_last maps."""
    return maps.contiguous(memory_format=torch.channels_last)


def _empty_last(maps: Tensor) -> Tensor:
    return torch.empty_like(maps, memory_format=torch.channels_last)


def _filters(first: Tensor, second: Tensor) -> Tensor:
    """Two weights [out, in, 3, 3] as [2, 3, 3, out, in]."""
    return torch.stack((first, second)).permute(0, 3, 4, 1, 2).contiguous()


def _of_gradient(weight: Tensor) -> Tensor:
    """The weight of the convolution that is the gradient by the input."""
    return weight.flip(2, 3).transpose(0, 1)
