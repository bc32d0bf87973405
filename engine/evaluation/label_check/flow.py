"""Dense optical flow between an image and its refined copy; needs scikit-image.

The iterative Lucas-Kanade method: le Besnerais and Champagnat, "Dense optical flow by iterative
local window registration" (2005).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.source import require
from simgan.engine.evaluation.label_check.brightness import blurred, length

SHARES = (0.5, 0.95, 0.99)  # quantiles over the pixels of an image
NEIGHBOURHOOD = 6.0  # px at a width of 55, within which mean and contrast are made equal
LEAST_CONTRAST = 0.25  # of the image's mean local contrast: flat skin is not blown up to texture
RADIUS = 7.0  # px at a width of 55, of the windows that move as one
BORDER = 3.0  # px at a width of 55, where half of a window is outside


def flow_quantiles(
    first: Tensor, second: Tensor, tick: Callable[[int], None] = lambda done: None
) -> NDArray[np.float64]:
    """Quantiles (SHARES) of the length of the flow over the pixels of each pair, px, [N, 3].

    Args:
        first, second: brightness [N, H, W].
        tick: is called with the number of pairs done.
    Raises:
        DataError: scikit-image is not installed.
    """
    registration: Any = require("skimage.registration", "labels", "optical flow")
    radius = max(2, round(length(RADIUS, first)))
    border = round(length(BORDER, first))
    pairs = zip(_equalized(first).numpy(), _equalized(second).numpy(), strict=True)
    quantiles = np.empty((len(first), len(SHARES)))
    for index, (before, after) in enumerate(pairs):
        down, right = registration.optical_flow_ilk(before, after, radius=radius)
        size = np.hypot(right, down)[border:-border, border:-border]
        quantiles[index] = np.quantile(size, SHARES)
        tick(index + 1)
    return quantiles


def _equalized(x: Tensor) -> Tensor:
    """[N, H, W] with local mean 0 and local deviation near 1."""
    sigma = length(NEIGHBOURHOOD, x)
    rest = x - blurred(x, sigma)
    deviation = blurred(rest * rest, sigma).clamp_min(0).sqrt()
    usual = deviation.mean(dim=(1, 2), keepdim=True)
    return rest / (deviation + LEAST_CONTRAST * usual + 1e-6)
