"""The kernel distance of two sets of features: squared MMD, its interval and a permutation test.

It is the KID of Binkowski et al. (arXiv 1801.01401): k(x, y) = (x . y / d + 1)^3, averaged without
the pairs of an image with itself, so that its expectation is 0 for two samples of one set,
whatever their size.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
ROWS = 512  # of the kernel matrix that are in memory at once
LEAST = 3  # images of each set; the jackknife leaves one out


@dataclass(frozen=True)
class KernelDistance:
    """A squared MMD.

    Attributes:
        value: unbiased, so it may be below 0.
        low, high: interval from the jackknife over the images of both sets. Where the sets are
            alike the jackknife overstates the error, by about the square root of 2, and the
            distance is skewed: the interval may lie below 0 by chance, seldom above.
        p: share of random relabellings with at least this value, of the hypothesis that both sets
            are samples of one; None without permutations.
    """

    value: float
    low: float
    high: float
    p: float | None


@dataclass(frozen=True)
class _Sums:
    """Sums of kernel rows: what every figure here is made of.

    Attributes:
        rows: [N, 2 + P], sums of each row over the first set, the second, and P random ones.
        own: [N], k of an image with itself.
        chosen: bool [N, 2 + P], the members of those sets.
    """

    rows: Features
    own: Features
    chosen: NDArray[np.bool_]


def kernel_distance(
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    permutations: int = 0,
    confidence: float = 0.95,
    seed: int = 0,
) -> KernelDistance:
    """Squared MMD of two sets of features.

    Args:
        first: [N, D], finite.
        second: [M, D], finite.
        permutations: random relabellings of the test; 0 for no test.
        confidence: coverage of the interval.
        seed: of the relabellings.
    Raises:
        ValueError: shapes that do not fit, fewer than 3 images, or values that are not finite.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    _check(x, y)
    sums = _sums(np.concatenate((x, y)), len(x), permutations, np.random.default_rng(seed))
    values = _distances(sums)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * _jackknife_error(sums, len(x))
    value = float(values[0])
    p = None
    if permutations:
        p = float((1 + np.count_nonzero(values[1:] >= value)) / (1 + permutations))
    return KernelDistance(value, value - half, value + half, p)


def _check(x: Features, y: Features) -> None:
    for name, features in (("first", x), ("second", y)):
        if features.ndim != 2 or features.shape[1] != x.shape[-1]:
            raise ValueError(f"{name} must be [N, {x.shape[-1]}], got {list(features.shape)}")
        if len(features) < LEAST:
            raise ValueError(f"{name} must hold at least {LEAST} images, got {len(features)}")
        if not np.isfinite(features).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")


def _sums(both: Features, count: int, permutations: int, generator: np.random.Generator) -> _Sums:
    """One pass over the kernel matrix, some rows at a time."""
    total, dimensions = both.shape
    chosen = np.zeros((total, 2 + permutations), np.bool_)
    chosen[:count, 0] = chosen[count:, 1] = True
    for column in range(2, 2 + permutations):
        chosen[generator.permutation(total)[:count], column] = True
    weights = chosen.astype(np.float64)
    rows = np.empty(chosen.shape)
    for start in range(0, total, ROWS):
        part = both[start : start + ROWS]
        kernel = part @ both.T / dimensions + 1
        rows[start : start + ROWS] = (kernel * kernel * kernel) @ weights
    own = ((both * both).sum(axis=1) / dimensions + 1) ** 3
    return _Sums(rows, own, chosen)


def _distances(sums: _Sums) -> Features:
    """Squared MMD of the two sets, then of each random division, [1 + P]."""
    rows = np.delete(sums.rows, 1, axis=1)
    chosen = np.delete(sums.chosen, 1, axis=1).astype(np.float64)
    everything = sums.rows[:, 0] + sums.rows[:, 1]
    n, m = chosen[:, 0].sum(), (1 - chosen[:, 0]).sum()
    within = (chosen * rows).sum(axis=0)
    across = ((1 - chosen) * rows).sum(axis=0)
    beyond = everything.sum() - within - 2 * across
    own = chosen.T @ sums.own
    distances: Features = (
        (within - own) / (n * (n - 1))
        + (beyond - (sums.own.sum() - own)) / (m * (m - 1))
        - 2 * across / (n * m)
    )
    return distances


def _jackknife_error(sums: _Sums, n: int) -> float:
    """Standard error: every image is left out once, from its own set."""
    m = len(sums.own) - n
    within = (sums.rows[:n, 0] - sums.own[:n], sums.rows[n:, 1] - sums.own[n:])
    across = (sums.rows[:n, 1], sums.rows[n:, 0])
    total = across[0].sum()
    variance = 0.0
    for count, other, own, cross in zip((n, m), (m, n), within, across, strict=True):
        without = (own.sum() - 2 * own) / ((count - 1) * (count - 2))
        without -= 2 * (total - cross) / ((count - 1) * other)
        variance += (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    return math.sqrt(variance)
