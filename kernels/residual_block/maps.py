"""How the native launchers of the residual block get their maps: gapless [N, H, W, C]."""

import torch
from torch import Tensor


def sizes(maps: Tensor) -> list[int]:
    """[N, C, H, W] -> the members of BlockShape in csrc/launchers.h."""
    images, channels, height, width = maps.shape
    return [images, height, width, channels]


def aligned(tensor: Tensor) -> Tensor:
    """The tensor, from an address that 16-byte copies can start at."""
    return tensor if tensor.data_ptr() % 16 == 0 else tensor.clone()


def aligned_last(maps: Tensor) -> Tensor:
    """[N, C, H, W] stored gapless as [N, H, W, C]; free for aligned channels_last maps."""
    return aligned(maps.contiguous(memory_format=torch.channels_last))


def to_fill(maps: Tensor) -> Tensor:
    """Memory for `maps` as gapless [N, H, W, C]: their own if they are channels_last."""
    if maps.dim() != 4 or maps.is_contiguous(memory_format=torch.channels_last):
        return maps
    return torch.empty_like(maps, memory_format=torch.channels_last)


def filled(maps: Tensor, memory: Tensor) -> Tensor:
    """`maps` with what a launcher wrote to their `memory`."""
    return maps if memory is maps else maps.copy_(memory)
