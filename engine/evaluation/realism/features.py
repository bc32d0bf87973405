"""Features that the kernel distance compares: of random filters, an estimator or a given network.

Nothing is downloaded: Inception features come only from a file that the user exports.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.gaze_estimator import (
    HEIGHT,
    WIDTH,
    GazeEstimator,
    standardized,
)
from simgan.engine.evaluation.realism.images import SHOWN, Images
from simgan.engine.losses import exported_network

WIDTHS = (32, 64, 128)  # random filters of each layer
FILTER_SEED = 20161222  # of the filters: the same in every comparison, whatever its seed
LEAST_DEVIATION = 1e-6  # of a feature over the real images, below which it is a constant
MOST_DIMENSIONS = 8192

Extractor = Callable[[Tensor], Tensor]


class RandomFeatures(nn.Module):
    """Three 3x3 convolutions with fixed random filters, relu after each, the last two of stride 2.

    Features [N, 448]: mean and deviation over positions of each of the 32, 64 and 128 maps. They
    know nothing about eyes or hands; differences of brightness, contrast, sharpness, noise and
    texture move them.

    Args:
        channels: of the images, float [N, channels, H, W] in [-1, 1].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(FILTER_SEED)
        inputs = (channels, *WIDTHS[:-1])
        self.filters = nn.ParameterList(
            nn.Parameter(
                torch.randn((after, before, 3, 3), generator=generator) * math.sqrt(2 / 9 / before),
                requires_grad=False,
            )
            for before, after in zip(inputs, WIDTHS, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        features: list[Tensor] = []
        for number, weight in enumerate(self.filters):
            x = F.relu(F.conv2d(x, weight, stride=1 if number == 0 else 2))
            features += torch.std_mean(x, dim=(2, 3), correction=0)[::-1]
        return torch.cat(features, dim=1)


def random_features(channels: int, device: torch.device) -> Extractor:
    """Features of random filters, on the device."""
    return RandomFeatures(channels).to(device)


def estimator_features(network: GazeEstimator, rule: str) -> Extractor:
    """The last hidden layer of a gaze estimator, [N, hidden]; takes gray images of 35x55.

    Args:
        network: trained.
        rule: of `standardized`.
    """

    def extract(x: Tensor) -> Tensor:
        if x.shape[1:] != (1, HEIGHT, WIDTH):
            shape = "x".join(map(str, x.shape[1:]))
            raise DataError(
                f"features of the estimator need 1x{HEIGHT}x{WIDTH} images, these are {shape}",
                fix=f"Add --data-size {HEIGHT}x{WIDTH} --data-channels gray.",
            )
        return network.features(standardized(x, rule))

    return extract


def exported_features(path: Path, device: torch.device) -> Extractor:
    """The output of a network of `torch.export`, [N, D], or [N, C, h, w] averaged over positions.

    Raises:
        ConfigError: the file is no such network, or does not take or give what it should.
    """
    network = exported_network(path, device, "features")

    def extract(x: Tensor) -> Tensor:
        try:
            y = network(x)
        except Exception as error:
            # A foreign network raises whatever it likes.
            shape = "x".join(map(str, x.shape))
            raise ConfigError(
                f"features: {path} does not take images {shape}: {error}",
                fix="Export it with a dynamic first dimension, for this size and these channels.",
            ) from error
        if isinstance(y, Tensor) and y.ndim == 4:
            y = y.mean(dim=(2, 3))
        fits = isinstance(y, Tensor) and y.ndim == 2 and len(y) == len(x)
        if not fits or y.shape[1] > MOST_DIMENSIONS:
            got = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ConfigError(
                f"features: {path} must give [N, D] with D up to {MOST_DIMENSIONS} or "
                f"[N, C, h, w], got {got}"
            )
        return y

    return extract


def extract(images: Images, extractor: Extractor) -> NDArray[np.float64]:
    """Features [N, D] of all images.

    Raises:
        DataError: some are not finite.
    """
    with torch.no_grad():
        parts = [extractor(images.unit(part)).double().cpu() for part in images.chunks()]
    features: NDArray[np.float64] = torch.cat(parts).numpy()
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        names = ", ".join(images.names[row] for row in bad[:SHOWN])
        raise DataError(
            f"the features of {len(bad):,} of {len(images):,} images are NaN or infinite",
            where=f"first: {names}",
        )
    return features


@dataclass(frozen=True)
class Scale:
    """Features in deviations of the real ones, beyond a few of them logarithmic (asinh).

    So no feature's unit counts, and one that hardly varies over the real images cannot outweigh all
    others when it moves: plain deviations of strong noise went beyond 1,000 in some features, and
    their cube left a distance without a usable interval.

    Attributes:
        mean, deviation: [D] over the real images; a constant feature has deviation 1.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, real: NDArray[np.float64]) -> "Scale":
        """Fitted on features [N, D]."""
        deviation = real.std(axis=0)
        constant = deviation < LEAST_DEVIATION
        return cls(real.mean(axis=0), np.where(constant, 1.0, deviation))

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled features [N, D]."""
        return np.arcsinh((features - self.mean) / self.deviation)
