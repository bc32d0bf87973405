"""Gray values, gradients and power spectra of image sets, and how far two sets differ in them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.pixels import LUMA
from simgan.engine.evaluation.realism.images import Images

LEVELS = 255  # gray values are 0 to 255 whatever the bit depth
PER_LEVEL = 16  # bins of the histograms for each gray level; a whole one is the centre of a bin
SMALLEST_POWER = 1e-12  # of a spectrum, so that an empty band has a logarithm


@dataclass(frozen=True)
class PixelStatistics:
    """What the pixels of a set are like; gray values from 0 to 255.

    Attributes:
        gray_mean, gray_deviation: over all pixels.
        gradient_mean, gradient_deviation: of the gradient's length (forward differences), gray
            levels per px.
        gray, gradient: histograms, int64; bin k is centred on k / 16 gray levels.
        frequencies: centres of the rings, cycles per px.
        power: mean power in each ring of images without their mean, under a Hann window.
    """

    gray_mean: float
    gray_deviation: float
    gradient_mean: float
    gradient_deviation: float
    gray: NDArray[np.int64]
    gradient: NDArray[np.int64]
    frequencies: NDArray[np.float64]
    power: NDArray[np.float64]


def pixel_statistics(images: Images) -> PixelStatistics:
    """Measure a set."""
    spectrum = _Spectrum(images.shape[1:], images.stored.device)
    gray, gradient = _Moments(LEVELS), _Moments(LEVELS * math.sqrt(2))
    for part in images.chunks():
        values = gray_values(images.unit(part))
        gray.add(values)
        gradient.add(gradient_lengths(values))
        spectrum.add(values)
    return PixelStatistics(
        *gray.mean_and_deviation(),
        *gradient.mean_and_deviation(),
        gray.counts,
        gradient.counts,
        spectrum.frequencies,
        spectrum.mean_power(),
    )


def gray_values(x: Tensor) -> Tensor:
    """float64 [N, H, W] from 0 to 255, of images [N, C, H, W] in [-1, 1]; RGB by ITU-R 601."""
    x = (x.double() + 1) * (LEVELS / 2)
    if x.shape[1] == 1:
        return x[:, 0]
    weights = torch.tensor(LUMA, dtype=torch.float64, device=x.device) / sum(LUMA)
    return torch.einsum("nchw,c->nhw", x, weights)


def gradient_lengths(gray: Tensor) -> Tensor:
    """Length of the gradient by forward differences, [N, H - 1, W - 1], of gray [N, H, W]."""
    corner = gray[:, :-1, :-1]
    return torch.hypot(gray[:, :-1, 1:] - corner, gray[:, 1:, :-1] - corner)


def histogram_distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Wasserstein-1 distance of two histograms, in gray levels.

    The mean distance that values would have to be moved; the area between the cumulative curves.
    """
    curves = [np.cumsum(counts) / counts.sum() for counts in (first, second)]
    return float(np.abs(curves[0] - curves[1]).sum()) / PER_LEVEL


def decibels(power: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """10 log10 of the ratio of two spectra, in dB."""
    least = SMALLEST_POWER
    ratios: NDArray[np.float64] = np.maximum(power, least) / np.maximum(reference, least)
    return 10 * np.log10(ratios)


class _Moments:
    """Histogram, mean and deviation of values from 0 to `top`."""

    def __init__(self, top: float) -> None:
        self.counts = np.zeros(math.ceil(top * PER_LEVEL) + 1, np.int64)
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, values: Tensor) -> None:
        bins = (values * PER_LEVEL).round().long().flatten()
        found = torch.bincount(bins.cpu(), minlength=len(self.counts))
        self.counts += found.numpy()
        count, mean = values.numel(), float(values.mean())
        squares = float((values - mean).square().sum())
        # Chan's update: sums of squares of large numbers of values would cancel.
        away, total = mean - self._mean, self._count + count
        self._squares += squares + away * away * self._count * count / total
        self._mean += away * count / total
        self._count = total

    def mean_and_deviation(self) -> tuple[float, float]:
        return self._mean, math.sqrt(self._squares / self._count)


class _Spectrum:
    """Mean power in rings of the frequency plane."""

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        windows = [torch.hann_window(side, dtype=torch.float64, device=device) for side in size]
        window = windows[0][:, None] * windows[1]
        self._window = window / window.square().mean().sqrt()
        down, across = (torch.fft.fftfreq(side, dtype=torch.float64) for side in size)
        radius = torch.hypot(down[:, None], across)
        rings = min(size) // 2
        ring = (radius * 2 * rings).round().long()
        self._ring = torch.where(ring <= rings, ring, 0).flatten()  # 0: mean and corners, left out
        self._sizes = torch.bincount(self._ring, minlength=rings + 1)
        self._power = torch.zeros(rings + 1, dtype=torch.float64)
        self._count = 0
        self.frequencies: NDArray[np.float64] = np.arange(1, rings + 1) / (2 * rings)

    def add(self, gray: Tensor) -> None:
        centred = (gray - gray.mean(dim=(1, 2), keepdim=True)) * self._window
        power = torch.fft.fft2(centred).abs().square().sum(dim=0) / gray[0].numel()
        self._power.index_add_(0, self._ring, power.flatten().cpu())
        self._count += len(gray)

    def mean_power(self) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = (self._power / self._sizes / self._count)[1:].numpy()
        return mean
