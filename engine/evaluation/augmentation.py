"""Random changes of an estimator's training images: none in the paper, and a rival of refinement.

What refinement claims to gain should also be measured against synthetic images that were only moved
and made rougher at random.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

GAMMA = math.log(1.65)  # greatest |log| of the exponent that brightness in [0, 1] is raised to
NOISE = 0.06  # greatest deviation of the noise, of brightness in [0, 1]


class Augmentation:
    """Changes batches; the n-th batch of one seed, size and device always by the same draws.

    Args:
        shift: greatest number of pixels that an image is moved by, each way.
        jitter: strength of gamma, blur and noise, 0 to 1.
        seed: of the draws.
        device: of the images.
    """

    def __init__(self, shift: int, jitter: float, seed: int, device: torch.device) -> None:
        self._shift = shift
        self._jitter = jitter
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        """Gray images [N, 1, H, W], float in [-1, 1], changed."""
        if self._shift:
            x = shifted(x, self._offsets(x))
        if self._jitter:
            gamma = torch.exp(GAMMA * (2 * self._uniform(x) - 1))
            noise = torch.empty_like(x).normal_(generator=self._generator)
            noise *= NOISE * self._jitter * self._uniform(x)
            x = roughened(x, gamma**self._jitter, self._jitter * self._uniform(x), noise)
        return x

    def _offsets(self, x: Tensor) -> Tensor:
        most, shape = self._shift, (len(x), 2)
        return torch.randint(-most, most + 1, shape, generator=self._generator, device=x.device)

    def _uniform(self, x: Tensor) -> Tensor:
        """A number in [0, 1) for each image, [N, 1, 1, 1]."""
        return torch.rand((len(x), 1, 1, 1), generator=self._generator, device=x.device)


def shifted(x: Tensor, offsets: Tensor) -> Tensor:
    """Each image moved by its own whole number of pixels, its edges repeated.

    Args:
        x: [N, 1, H, W].
        offsets: int64 [N, 2], pixels down and to the right.
    """
    height, width = x.shape[2:]
    rows = (torch.arange(height, device=x.device) - offsets[:, :1]).clamp_(0, height - 1)
    columns = (torch.arange(width, device=x.device) - offsets[:, 1:]).clamp_(0, width - 1)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return x[image, 0, rows[:, :, None], columns[:, None, :]][:, None]


def roughened(x: Tensor, gamma: Tensor, blur: Tensor, noise: Tensor) -> Tensor:
    """Images with another gamma, then blurred, then noisy.

    Args:
        x: [N, 1, H, W] in [-1, 1].
        gamma: [N, 1, 1, 1], exponent of brightness in [0, 1].
        blur: [N, 1, 1, 1], share from 0 to 1 of the 3x3 mean (edges repeated) in the result.
        noise: [N, 1, H, W], added to brightness in [0, 1].
    Returns:
        the same range, which noise may leave a little.
    """
    brightness = ((x + 1) / 2).clamp(0, 1) ** gamma
    mean = F.avg_pool2d(F.pad(brightness, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return 2 * (torch.lerp(brightness, mean, blur) + noise) - 1
