"""How tensors lie in memory, stated once for the ops, their fakes and their launchers."""

import torch
from torch import Tensor


def memory_format(*tensors: Tensor) -> torch.memory_format:
    """channels_last if one of the [N, C, H, W] tensors is stored so and not also the plain way."""
    for tensor in tensors:
        last = tensor.is_contiguous(memory_format=torch.channels_last)
        if last and not tensor.is_contiguous():
            return torch.channels_last
    return torch.contiguous_format


def same_order(*tensors: Tensor) -> bool:
    """Whether the tensors, of one shape but for dim 0, are gapless and list elements alike."""
    if all(tensor.is_contiguous() for tensor in tensors):
        return True
    return all(
        tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
        for tensor in tensors
    )


def in_same_order(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors themselves if `same_order` holds, else contiguous copies where needed."""
    if same_order(*tensors):
        return tensors
    return tuple(tensor.contiguous() for tensor in tensors)


def map_layout(tensor: Tensor) -> tuple[int, int, int, int, int, int, int]:
    """Sizes N, h, w and strides of dims 0 to 3 of an [N, 2, h, w] tensor (MapLayout of csrc)."""
    images, _, rows, columns = tensor.shape
    by_image, by_class, by_row, by_column = tensor.stride()
    return images, rows, columns, by_image, by_class, by_row, by_column
