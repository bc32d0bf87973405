"""A sample of synthetic images, refined and rounded as `refine` would write them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from simgan.engine.errors import DivergedError
from simgan.engine.evaluation.realism.images import Images
from simgan.engine.precision import Precision
from simgan.engine.refining.forward import from_unit

PIXELS = {"cpu": 1 << 17, "cuda": 1 << 21}  # refined at once, about


def refined_images(
    synthetic: Images,
    network: Callable[[Tensor], Tensor],
    precision: Precision,
    between: Callable[[], None] = lambda: None,
) -> Images:
    """Refine a sample.

    Rounding matters: real images have whole gray levels, and a discriminator would know unrounded
    ones by that alone.

    Args:
        synthetic: the sample.
        network: the refiner, on the device of `precision`.
        precision: arithmetic and memory format.
        between: is called before every batch; what it raises ends the work.
    Raises:
        DivergedError: the refiner gives values that are not finite.
    """
    _, height, width = synthetic.shape
    at_once = max(1, PIXELS[precision.device.type] // (height * width))
    dtype = np.dtype(np.uint8 if synthetic.stored.dtype == torch.uint8 else np.uint16)
    parts, finite = [], torch.ones((), dtype=torch.bool, device=precision.device)
    with torch.no_grad():
        for start in range(0, len(synthetic), at_once):
            between()
            x = precision.images(synthetic.unit(slice(start, start + at_once)))
            with precision.autocast():
                y = network(x).float()
            finite &= torch.isfinite(y).all()
            parts.append(from_unit(y, synthetic.value_range, dtype))
    if not bool(finite):
        raise DivergedError("the refiner gives values that are not finite")
    return Images(torch.cat(parts), synthetic.value_range, synthetic.names)
