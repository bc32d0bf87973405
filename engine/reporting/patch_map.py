"""The discriminator's opinion of every pixel: patches spread over what each of them sees."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from simgan.engine.discriminator import Discriminator
from simgan.kernels import REFINED

# Blue where a patch looks real, white where it is undecided, orange where it looks refined: told
# apart by those who cannot tell red from green, too (Okabe and Ito).
LOOKS_REAL, UNDECIDED, LOOKS_REFINED = (0, 114, 178), (255, 255, 255), (213, 94, 0)


class Field(NamedTuple):
    """What patches see, along one axis: patch i sees `size` px from `start + i * step` on."""

    size: int
    step: int
    start: int


def receptive_fields(discriminator: Discriminator) -> tuple[Field, Field]:
    """(vertical, horizontal) of the patches of the last layer; outside of the image is padding."""
    fields = []
    for axis in (0, 1):
        size, step, start = 1, 1, 0
        for layer in (*discriminator.trunk, discriminator.head):
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                kernel, stride, padding = (
                    _at(value, axis) for value in (layer.kernel_size, layer.stride, layer.padding)
                )
                size += (kernel - 1) * step
                start -= padding * step
                step *= stride
        fields.append(Field(size, step, start))
    return fields[0], fields[1]


def _at(value: object, axis: int) -> int:
    side = value[axis] if isinstance(value, tuple) else value
    assert isinstance(side, int)
    return side


def spread(patches: NDArray[np.float64], fields: tuple[Field, Field], size: tuple[int, int]
           ) -> NDArray[np.float64]:  # fmt: skip
    """Patches [h, w] to pixels [H, W]: the mean over all patches that see a pixel.

    A patch weighs most at the middle of its receptive field and falls linearly to its edge, as the
    influence of a pixel on it does, about.
    """
    weights = [
        _weights(field, count, side)
        for field, count, side in zip(fields, patches.shape, size, strict=True)
    ]
    rows, columns = weights
    total = rows @ patches @ columns.T
    share = rows.sum(axis=1)[:, None] * columns.sum(axis=1)[None, :]
    pixels: NDArray[np.float64] = np.full(size, np.nan)
    np.divide(total, share, out=pixels, where=share > 0)
    return pixels


def _weights(field: Field, count: int, side: int) -> NDArray[np.float64]:
    """[side, count]: how much each patch says about each pixel."""
    middle = field.start + field.step * np.arange(count) + (field.size - 1) / 2
    distance = np.abs(np.arange(side)[:, None] - middle[None, :])
    weight: NDArray[np.float64] = np.maximum(1 - distance / ((field.size + 1) / 2), 0.0)
    return weight


def opinions(discriminator: Discriminator, images: Tensor) -> NDArray[np.float64]:
    """P(REFINED) [n, h, w] of the patches of images [n, C, H, W] in [-1, 1]."""
    with torch.no_grad():
        probability = F.softmax(discriminator(images).double(), dim=1)[:, REFINED]
    found: NDArray[np.float64] = probability.cpu().numpy()
    return found


def paint(probability: NDArray[np.float64]) -> NDArray[np.uint8]:
    """P(REFINED) [H, W] as colors [H, W, 3]; gray where nothing is known."""
    p = np.nan_to_num(probability, nan=0.5)[..., None]
    low, middle, high = (np.asarray(c, np.float64) for c in (LOOKS_REAL, UNDECIDED, LOOKS_REFINED))
    colors = np.where(
        p < 0.5, low + (middle - low) * (2 * p), middle + (high - middle) * (2 * p - 1)
    )
    colors[np.isnan(probability)] = 128
    painted: NDArray[np.uint8] = np.rint(colors).astype(np.uint8)
    return painted
