"""Images as they are compared: brightness at one width, blurred, with gradients."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from simgan.engine.data.pixels import convert_channels

PAPER_WIDTH = 55  # px; lengths in this package are stated at that width and grow with the image


def brightness(images: NDArray[Any], width: int) -> Tensor:
    """Stored images as brightness at a common width.

    Args:
        images: uint8 or uint16 [N, H, W, C].
        width: of the result, px; the height follows.
    Returns:
        float32 [N, H', width] in [0, 1] of the dtype's range (a cubic resize may leave it a
        little).
    """
    gray = convert_channels(images, "gray")[..., 0]
    x = torch.from_numpy(gray.astype(np.float32) / np.iinfo(images.dtype).max)
    height = max(1, round(x.shape[1] * width / x.shape[2]))
    if x.shape[1:] == (height, width):
        return x
    resized: Tensor = F.interpolate(x[:, None], (height, width), mode="bicubic", antialias=True)
    return resized[:, 0]


def length(at_paper_width: float, x: Tensor) -> float:
    """A length given for images 55 px wide, in px of images [N, H, W]."""
    return at_paper_width * x.shape[-1] / PAPER_WIDTH


def blurred(x: Tensor, sigma: float) -> Tensor:
    """[N, H, W] blurred by a Gaussian of `sigma` px; edges are repeated."""
    reach = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=x.dtype)
    taps = torch.exp(-0.5 * (offsets / sigma) ** 2)
    taps /= taps.sum()
    padded = F.pad(x[:, None], (reach, reach, reach, reach), mode="replicate")
    down = F.conv2d(padded, taps.view(1, 1, -1, 1))
    result: Tensor = F.conv2d(down, taps.view(1, 1, 1, -1))[:, 0]
    return result


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of [N, H, W] to the right and down, per px; one-sided at the edges."""
    down, right = torch.gradient(x, dim=(1, 2))
    return right, down


def contrast(x: Tensor) -> tuple[Tensor, Tensor]:
    """Dark and bright of each image [N, H, W]: its 2 % and 90 % quantiles, [N] each."""
    shares = torch.tensor((0.02, 0.9), dtype=x.dtype)
    low, high = torch.quantile(x.flatten(1), shares, dim=1)
    return low, high


def sampled(x: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Values between pixels, bilinear; outside of an image its edge is repeated.

    Args:
        x: [N, H, W].
        columns, rows: of one shape, [N, ...] or [1, ...], px; (0, 0) is the middle of the top left
            pixel.
    Returns:
        [N, ...].
    """
    count, height, width = x.shape
    grid = torch.stack((2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1), dim=-1)
    shape = grid.shape[1:-1]
    grid = grid.reshape(grid.shape[0], 1, -1, 2).expand(count, -1, -1, -1)
    values = F.grid_sample(x[:, None], grid, padding_mode="border", align_corners=True)
    return values.reshape(count, *shape)
