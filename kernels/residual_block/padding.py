"""What the convolutions of the residual block take for the pixels beyond the border of a map."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Padding = Literal["zeros", "replicate"]  # zeros, or the nearest pixel of the map
ZEROS: Padding = "zeros"
REPLICATE: Padding = "replicate"
PADDINGS: tuple[str, ...] = (ZEROS, REPLICATE)  # in the order of csrc/padding.h


def check_padding(padding: str) -> None:
    """Refuse what is not the name of a padding."""
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {', '.join(PADDINGS)}, got {padding!r}")


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: str) -> Tensor:
    """Convolution that keeps height and width: [N, C, H, W] -> [N, D, H, W].

    Args:
        weight: [D, C, k, k], k odd.
    """
    border = weight.shape[-1] // 2
    if padding == ZEROS or border == 0:
        return F.conv2d(x, weight, bias, padding=border)
    return F.conv2d(F.pad(x, (border,) * 4, mode="replicate"), weight, bias)


def fold_border(grad: Tensor, border: int, dims: tuple[int, int] = (2, 3)) -> Tensor:
    """The gradient of replicating `border` pixels: each is added to the pixel that it repeats.

    `grad` is by a continued map, `border` longer at both ends of `dims`. It is written over, and
    the result is a view of it. Unlike torch's own it has one order of sums on every device.
    """
    for dim in dims:
        length = grad.shape[dim] - 2 * border
        before, inner, behind = torch.split(grad, [border, length, border], dim)
        inner.select(dim, 0).add_(before.sum(dim))
        inner.select(dim, -1).add_(behind.sum(dim))
        grad = inner
    return grad
