"""Hands the residual block to the native launchers of csrc/cpu: Winograd convolutions, float32."""

from collections.abc import Sequence

import torch
from torch import Tensor

from simgan.kernels.layout import memory_format
from simgan.kernels.native import launchers
from simgan.kernels.residual_block.maps import filled, sizes, to_fill
from simgan.kernels.residual_block.padding import PADDINGS, ZEROS

_INSTRUCTIONS = 0  # place in launchers().instruction_sets(), best first


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

    Without `keep_hidden` the hidden map never leaves the cache; an empty tensor takes its place.
    """
    layout = memory_format(x, weight1)
    output = torch.empty_like(x, memory_format=layout)
    hidden = torch.empty_like(x, memory_format=layout) if keep_hidden else x.new_empty(0)
    output_last, hidden_last = to_fill(output), to_fill(hidden)
    inputs = (_last(x), _taps(weight1), bias1.contiguous(), _taps(weight2), bias2.contiguous())
    launchers().residual_block_forward_cpu(
        [tensor.data_ptr() for tensor in inputs],
        sizes(x),
        _filters(weight1, padding),
        hidden_last.data_ptr(),
        output_last.data_ptr(),
        torch.get_num_threads(),
        _INSTRUCTIONS,
    )
    return filled(output, output_last), filled(hidden, hidden_last)


def forward_chain(x: Tensor, parameters: Sequence[Tensor], padding: str = ZEROS) -> Tensor:
    """Blocks in turn, without what a backward pass would need: [N, C, H, W], as `forward`.

    Args:
        parameters: weight1, bias1, weight2, bias2 of each block.
    """
    output = torch.empty_like(x, memory_format=memory_format(x, parameters[0]))
    output_last, x_last = to_fill(output), _last(x)
    inputs = [_taps(one) if one.dim() == 4 else one.contiguous() for one in parameters]
    addresses = [tensor.data_ptr() for tensor in inputs]
    launchers().residual_trunk_forward_cpu(
        x_last.data_ptr(),
        [addresses[start : start + 4] for start in range(0, len(addresses), 4)],
        sizes(x),
        _filters(parameters[0], padding),
        output_last.data_ptr(),
        torch.get_num_threads(),
        _INSTRUCTIONS,
    )
    return filled(output, output_last)


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
    activations = (
        *(_last(grad), _last(x), _last(hidden), _last(output)),
        *(_taps(weight1, transposed=True), _taps(weight2, transposed=True)),
    )
    results = [
        torch.empty_like(x, memory_format=memory_format(x, weight1)),
        torch.empty_like(weight1, memory_format=memory_format(weight1)),
        x.new_empty(x.shape[1]),
        torch.empty_like(weight2, memory_format=memory_format(weight2)),
        x.new_empty(x.shape[1]),
    ]
    results = [
        result if needed else x.new_empty(0) for result, needed in zip(results, needs, strict=True)
    ]
    memory = [
        to_fill(results[0]),
        *(_taps_to_fill(result) if result.dim() == 4 else result for result in results[1:]),
    ]
    launchers().residual_block_backward_cpu(
        [tensor.data_ptr() for tensor in activations],
        sizes(x),
        _filters(weight1, padding),
        [tensor.data_ptr() for tensor in memory],
        torch.get_num_threads(),
        _INSTRUCTIONS,
    )
    for place in (1, 3):
        if needs[place]:
            results[place].copy_(memory[place].permute(3, 2, 0, 1))
    grad_x = filled(results[0], memory[0])
    return grad_x, results[1], results[2], results[3], results[4]


def _filters(weight: Tensor, padding: str) -> list[int]:
    """The members of BlockFilters in csrc/launchers.h."""
    return [weight.shape[-1], PADDINGS.index(padding)]


def _last(maps: Tensor) -> Tensor:
    """[N, C, H, W] as gapless [N, H, W, C]; free for channels_last maps."""
    return maps.permute(0, 2, 3, 1).contiguous()


def _taps(weight: Tensor, *, transposed: bool = False) -> Tensor:
    """[out, in, k, k] as [k, k, in, out]; transposed: of the convolution that is its gradient."""
    if transposed:
        weight = weight.flip(2, 3).transpose(0, 1)
    return weight.permute(2, 3, 1, 0).contiguous()


def _taps_to_fill(weight: Tensor) -> Tensor:
    """Memory for the gradient of a weight [out, in, k, k] as gapless [k, k, in, out]."""
    channels, _, height, width = weight.shape
    return weight.new_empty(height, width, channels, channels)
