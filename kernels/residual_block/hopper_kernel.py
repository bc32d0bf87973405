"""Hands a chain of residual blocks to the native launchers for sm_90a: bf16, 64 channels, 3x3.

Run by the emulator of the tests only, not on a GPU yet.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simgan.kernels.layout import memory_format
from simgan.kernels.native import launchers
from simgan.kernels.residual_block.maps import aligned_last, filled, sizes, to_fill


def forward(x: Tensor, parameters: Sequence[Tensor], keep: bool) -> tuple[Tensor, Tensor]:
    """The last block's output [N, 64, H, W], and with `keep` what `backward` needs, else nothing.

    `parameters` are weight1, bias1, weight2, bias2 of every block in turn.
    """
    output = output_like(x, parameters)
    blocks = len(parameters) // 4
    kept = kept_memory(x, blocks, keep)
    workspace = _memory(x, _bytes(x, blocks)[1])
    source, target = aligned_last(x), to_fill(output)
    flat = [parameter.contiguous() for parameter in parameters]
    _launch(
        "residual_trunk_forward_cuda",
        x.device,
        _addresses([source, kept, workspace, target]),
        _addresses(flat),
        sizes(x),
    )
    return filled(output, target), kept


def backward(
    grad: Tensor, output: Tensor, kept: Tensor, parameters: Sequence[Tensor]
) -> list[Tensor]:
    """Gradients by x and by every parameter, in the order of `forward`."""
    gradients = gradients_like(output, parameters)
    workspace = _memory(grad, _bytes(grad, len(parameters) // 4)[1])
    grad_last, output_last, target = aligned_last(grad), aligned_last(output), to_fill(gradients[0])
    flat = [parameter.contiguous() for parameter in parameters]
    memory = [
        gradient if gradient.is_contiguous() else torch.empty_like(one)
        for gradient, one in zip(gradients[1:], flat, strict=True)
    ]
    _launch(
        "residual_trunk_backward_cuda",
        grad.device,
        _addresses([grad_last, output_last, kept, workspace, target]),
        _addresses(flat),
        _addresses(memory),
        sizes(grad),
    )
    return [filled(*pair) for pair in zip(gradients, (target, *memory), strict=True)]


def output_like(x: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Memory for the output of `forward`."""
    return torch.empty_like(x, memory_format=memory_format(x, parameters[0]))


def kept_memory(x: Tensor, blocks: int, keep: bool) -> Tensor:
    """Memory for what `forward` keeps."""
    return _memory(x, _bytes(x, blocks)[0] if keep else 0)


def gradients_like(output: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Memory for the results of `backward`."""
    return [
        torch.empty_like(
            tensor,
            memory_format=memory_format(tensor) if tensor.dim() == 4 else torch.contiguous_format,
        )
        for tensor in (output, *parameters)
    ]


def _bytes(maps: Tensor, blocks: int) -> tuple[int, int]:
    """Lengths of what the forward pass keeps and of the workspace of either pass."""
    with torch.cuda.device(maps.device):
        kept, workspace = launchers().residual_trunk_sizes_cuda(sizes(maps), blocks)
    return int(kept), int(workspace)


def _memory(maps: Tensor, count: int) -> Tensor:
    return maps.new_empty(count, dtype=torch.uint8)


def _launch(name: str, device: torch.device, *arguments: Any) -> None:
    """Calls a native launcher on the current stream of `device`."""
    with torch.cuda.device(device):
        getattr(launchers(), name)(*arguments, torch.cuda.current_stream().cuda_stream)


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]
