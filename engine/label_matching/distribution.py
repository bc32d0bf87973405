"""How two samples of labels differ, and the weights that make one follow the other."""

import math

import numpy as np
from numpy.typing import NDArray

from simgan.engine.errors import DataError

Values = NDArray[np.float64]  # [N, D]

MOST_KERNELS = 4_000  # labels of each set that its density is made of
CHUNK = 1_000  # labels whose density is calculated at once
LARGEST = 30.0  # times the mean weight: a rare image must not fill the batches
SMALLEST = 1e-3  # times the mean weight: what is drawn less often is left out
FAR = 2.0  # kernel widths to the nearest synthetic label from which on a real one counts as missed
QUANTILES = (0.05, 0.5, 0.95)


def bandwidth(values: Values) -> Values:
    """Scott's rule, N ** (-1 / (D + 4)) deviations, [D]; of a constant label, a thousandth of 1.

    Source: D. W. Scott, Multivariate Density Estimation (1992), equation 6.42.
    """
    count, dimensions = values.shape
    spread = values.std(axis=0)
    return np.asarray(np.maximum(spread * count ** (-1 / (dimensions + 4)), 1e-3), np.float64)


def kernel_width(values: Values, target: Values) -> Values:
    """Width [D] of the kernels that compare two samples [N, D] and [M, D].

    The target's bandwidth, but no less than twice the mean distance of the values, between which
    nothing can be told.
    """
    count, dimensions = values.shape
    spacing = values.std(axis=0) * count ** (-1 / dimensions)
    return np.asarray(np.maximum(bandwidth(target), 2 * spacing), np.float64)


def density(at: Values, sample: Values, width: Values, weights: Values | None = None) -> Values:
    """Gaussian kernel density [N] of a sample [M, D], without its constant factor.

    Args:
        at: [N, D], where.
        sample: of which at most MOST_KERNELS are taken, evenly.
        width: [D], deviation of a kernel.
        weights: [M] of the sample; None weighs all alike.
    """
    kernels = _some(sample) / width
    shares = np.ones(len(sample)) if weights is None else weights
    shares = _some(shares) / _some(shares).sum()
    parts = []
    for start in range(0, len(at), CHUNK):
        distance = (((at[start : start + CHUNK] / width)[:, None] - kernels) ** 2).sum(axis=2)
        parts.append(np.exp(-0.5 * distance) @ shares)
    return np.concatenate(parts)


def density_ratio(values: Values, target: Values, weights: Values | None = None) -> Values:
    """Weights [N], mean 1, with which `values` are spread as `target` is.

    The ratio of both densities at each value, times the weight that the value has already, within
    SMALLEST and LARGEST times the mean.

    Args:
        values: [N, D].
        target: [M, D].
        weights: [N], not negative, not all zero, that the values have already; None weighs all
            alike.
    Raises:
        DataError: no value is anywhere near the target.
    """
    if weights is None:
        weights = np.ones(len(values))
    width = kernel_width(values, target)
    wanted = density(values, target, width)
    # A value counts in its own density, also where it is not among the kernels.
    had = np.maximum(density(values, values, width, weights), weights / weights.sum())
    ratio = np.divide(weights * wanted, had, out=np.zeros(len(values)), where=weights > 0)
    if not ratio.any():
        raise DataError(
            "match_labels: no synthetic label is near any of those to be followed",
            fix="Check the units and signs of both sets.",
        )
    return limited(ratio)


def limited(weights: Values) -> Values:
    """Weights of mean 1, none above LARGEST (or what one of N can have); below SMALLEST, 0."""
    weights = weights / weights.mean()
    for _ in range(20):  # cutting lowers the mean, dividing by it raises what was cut
        weights = np.minimum(weights, LARGEST)
        weights /= weights.mean()
    weights[weights < SMALLEST] = 0
    return np.asarray(weights / weights.mean(), np.float64)


def effective_size(weights: Values) -> float:
    """Kish's effective number of images, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def missed(values: Values, weights: Values, target: Values) -> float:
    """Share of the target that has no value with a weight near it (FAR widths)."""
    width = kernel_width(values, target)
    known = _some(values[weights > 0]) / width
    points = _some(target) / width
    nearest = np.concatenate(
        [
            ((points[start : start + CHUNK, None] - known) ** 2).sum(axis=2).min(axis=1)
            for start in range(0, len(points), CHUNK)
        ]
    )
    return float((nearest > FAR**2).mean())


def wasserstein(a: Values, a_weights: Values, b: Values, b_weights: Values) -> float:
    """Wasserstein-1 distance of two weighted samples [N] and [M] of numbers.

    The integral of the absolute difference of their cumulative distributions.
    """
    points = np.sort(np.concatenate((a, b)))
    shares = []
    for values, weights in ((a, a_weights), (b, b_weights)):
        order = np.argsort(values)
        total = np.concatenate(([0.0], np.cumsum(weights[order])))
        shares.append(total[np.searchsorted(values[order], points[:-1], side="right")] / total[-1])
    return float((np.abs(shares[0] - shares[1]) * np.diff(points)).sum())


def summary(values: Values, weights: Values) -> dict[str, float]:
    """Mean, deviation and quantiles of a weighted sample [N] of numbers."""
    share = weights / weights.sum()
    mean = float((share * values).sum())
    order = np.argsort(values)
    below = np.cumsum(share[order]) - share[order] / 2
    quantiles = np.interp(QUANTILES, below, values[order])
    return {
        "mean": mean,
        "deviation": math.sqrt(max(0.0, float((share * (values - mean) ** 2).sum()))),
        **{f"q{round(100 * q):02d}": float(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
    }


def _some(values: Values) -> Values:
    if len(values) <= MOST_KERNELS:
        return values
    return values[np.linspace(0, len(values) - 1, MOST_KERNELS).round().astype(np.int64)]
