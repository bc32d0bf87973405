"""What errors say beyond their own seeds and test images: intervals and a paired comparison.

Errors are float64 [S, N]: S seeds, the same N test images for each. The *units* are what
was sampled independently: persons where they are known (the images of one person are alike), else
images. Both seeds and units are random here: another run would have other seeds, another test set
other people. So intervals and tests account for both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.evaluation import student_t

Errors = NDArray[np.float64]
CHUNK = 64  # bootstrap samples computed at once


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval [low, high]."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One arm against the reference, on the same seeds and test images.

    Attributes:
        difference: mean error of the reference minus that of the arm; above 0 the arm is better.
        gain: the difference over the reference's mean error (0.3: errors 30 % smaller).
        p: two-sided, of the hypothesis that the difference is 0; NaN when it cannot be tested.
        freedom: degrees of freedom of the test.
        per_seed: difference of each seed.
    """

    difference: Estimate
    gain: Estimate
    p: float
    freedom: float
    per_seed: list[float]


class Bootstrap:
    """Percentile intervals from samples of seeds and, crossed with them, of units; both with
    replacement. With one seed only units vary.

    Args:
        seeds: S.
        units: int or text [N], the unit of each test image.
        resamples: R samples.
        confidence: coverage of the intervals.
        seed: of the samples.
    """

    def __init__(
        self,
        seeds: int,
        units: NDArray[Any],
        *,
        resamples: int,
        confidence: float,
        seed: int = 0,
    ) -> None:
        _, self._unit = np.unique(units, return_inverse=True)
        self.count = int(self._unit.max()) + 1
        self._sizes = np.bincount(self._unit).astype(np.float64)
        generator = np.random.default_rng(seed)
        self._seed_weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
        self._unit_weights = np.empty((resamples, self.count), np.uint8)
        for row in self._unit_weights:  # a unit is drawn about once: never 256 times
            row[:] = np.bincount(
                generator.integers(self.count, size=self.count), minlength=self.count
            )
        self._bounds = ((1 - confidence) / 2, (1 + confidence) / 2)

    def mean(self, values: Errors) -> Estimate:
        """Of the mean of [S, N] over seeds and images."""
        sums = np.stack(
            [np.bincount(self._unit, row, minlength=self.count) for row in values]
        )  # [S, U]
        samples = np.empty(len(self._unit_weights))
        for start in range(0, len(samples), CHUNK):
            part = slice(start, start + CHUNK)
            units = self._unit_weights[part].astype(np.float64)
            total = ((units @ sums.T) * self._seed_weights[part]).sum(axis=1)
            samples[part] = total / (units @ self._sizes * len(values))
        return self._estimate(float(values.mean()), samples)

    def median(self, values: Errors) -> Estimate:
        """Of the median of the S times N pooled values."""
        order = np.argsort(values, axis=None, kind="stable")
        ascending = values.reshape(-1)[order]
        seed, image = np.divmod(order, values.shape[1])
        unit = self._unit[image]
        samples = np.empty(len(self._unit_weights))
        for index, (units, seeds) in enumerate(
            zip(self._unit_weights, self._seed_weights, strict=True)
        ):
            upto = np.cumsum(seeds[seed] * units[unit])
            middle = np.array([(upto[-1] - 1) // 2, upto[-1] // 2])
            samples[index] = ascending[np.searchsorted(upto, middle, side="right")].mean()
        return self._estimate(float(np.median(values)), samples)

    def _estimate(self, value: float, samples: NDArray[np.float64]) -> Estimate:
        low, high = np.quantile(samples, self._bounds)
        return Estimate(value, float(low), float(high))


def compare(reference: Errors, arm: Errors, units: NDArray[Any], confidence: float) -> Comparison:
    """The paired comparison of two arms: a t test with seeds and units both random.

    The differences d[s, u], summed over the images of each unit, are a two-way table. With the mean
    squares of its seeds, units and rest, the variance of the grand mean is estimated as
    (MS_seeds + MS_units - MS_rest) / (S U), at least the largest of the three alone would give;
    its degrees of freedom follow Satterthwaite (this is the quasi-F test of Clark, "The
    language-as-fixed-effect fallacy", 1973). The interval of the gain is that of the linearized
    ratio of means. A percentile bootstrap over three seeds would promise too much: tests measure
    both.

    Args:
        reference, arm: errors [S, N] of the same seeds and images.
        units: int or text [N].
        confidence: coverage of the intervals.
    """
    assert reference.shape == arm.shape
    base, other = float(reference.mean()), float(arm.mean())
    difference = reference - arm
    value = base - other
    deviation, freedom = standard_error(difference - value, units)
    if not base:  # nothing is left to gain
        gain = Estimate(math.nan, math.nan, math.nan)
        return Comparison(
            _interval(value, deviation, freedom, confidence),
            gain,
            _p(value, deviation, freedom),
            freedom,
            [float(v) for v in difference.mean(axis=1)],
        )
    ratio = other / base
    # d(1 - other / base) = (ratio d(base) - d(other)) / base
    influence = (ratio * (reference - base) - (arm - other)) / base
    gain_deviation, gain_freedom = standard_error(influence, units)
    return Comparison(
        difference=_interval(value, deviation, freedom, confidence),
        gain=_interval(1 - ratio, gain_deviation, gain_freedom, confidence),
        p=_p(value, deviation, freedom),
        freedom=freedom,
        per_seed=[float(v) for v in difference.mean(axis=1)],
    )


def standard_error(influence: Errors, units: NDArray[Any]) -> tuple[float, float]:
    """Standard error of a grand mean, and its degrees of freedom, from a crossed table.

    Args:
        influence: [S, N], deviations of each value from the grand mean (mean 0).
        units: int [N]; units may hold different numbers of images.
    Returns:
        with one unit and one seed, NaN and 0.
    """
    _, unit = np.unique(units, return_inverse=True)
    seeds, count = len(influence), int(unit.max()) + 1
    scale = count / influence.shape[1]
    table = np.stack([np.bincount(unit, row, minlength=count) * scale for row in influence])
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    rest = table - rows[:, None] - columns
    squares = (
        (count * float((rows**2).sum()), seeds - 1),
        (seeds * float((columns**2).sum()), count - 1),
        (float((rest**2).sum()), (seeds - 1) * (count - 1)),
    )
    means = [total / freedom if freedom else 0.0 for total, freedom in squares]
    if max(seeds, count) == 1:
        return math.nan, 0.0
    combined = means[0] + means[1] - means[2]
    largest = max(range(3), key=lambda index: (means[index], squares[index][1]))
    if means[largest] >= combined:
        return math.sqrt(means[largest] / (seeds * count)), float(squares[largest][1])
    spread = sum(m**2 / freedom for m, (_, freedom) in zip(means, squares, strict=True) if freedom)
    return math.sqrt(combined / (seeds * count)), combined**2 / spread


def _interval(value: float, deviation: float, freedom: float, confidence: float) -> Estimate:
    if not freedom:
        return Estimate(value, math.nan, math.nan)
    half = deviation * student_t.quantile(confidence, freedom)
    return Estimate(value, value - half, value + half)


def _p(value: float, deviation: float, freedom: float) -> float:
    if not freedom:
        return math.nan
    if deviation == 0:
        return 1.0 if value == 0 else 0.0
    return student_t.two_sided_p(value / deviation, freedom)


def within(errors: Errors, limits: Sequence[float]) -> list[float]:
    """Share of all errors that are at most each of `limits`."""
    ascending = np.sort(errors, axis=None)
    places = np.searchsorted(ascending, np.asarray(limits, np.float64), side="right")
    return [float(place / ascending.size) for place in places]
