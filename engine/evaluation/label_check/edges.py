"""Whether edges lie where they were: agreement of gradients, whatever their strength."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.evaluation.label_check.brightness import blurred, gradients, length

BLUR = 0.7  # px at a width of 55: noise is no edge
BORDER = 2.0  # px at a width of 55, where blur and differences lack their other side
STRONGEST = 0.1  # of an image's pixels, which count as its edges


def edge_agreement(first: Tensor, second: Tensor) -> tuple[NDArray[np.float64], ...]:
    """Two numbers for each pair of images.

    Args:
        first, second: brightness [N, H, W].
    Returns:
        correlation of the gradient magnitudes over pixels, -1 to 1 (0 where an image is empty), and
        intersection over union of the strongest tenth of them, 0 to 1; float64 [N] each.
    """
    sizes = [_gradient_size(x.double()) for x in (first, second)]
    a, b = (size - size.mean(dim=1, keepdim=True) for size in sizes)
    product = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-12)
    strong = [size > torch.quantile(size, 1 - STRONGEST, dim=1, keepdim=True) for size in sizes]
    both = (strong[0] & strong[1]).sum(1).double()
    either = (strong[0] | strong[1]).sum(1).double()
    return product.numpy(), (both / either.clamp_min(1)).numpy()


def _gradient_size(x: Tensor) -> Tensor:
    border = max(1, round(length(BORDER, x)))
    size = torch.hypot(*gradients(blurred(x, length(BLUR, x))))
    return size[:, border:-border, border:-border].flatten(1)
