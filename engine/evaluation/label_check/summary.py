"""Mean, deviation, median and outer quantiles of values per image, with bootstrap intervals."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 20  # values resampled at once
QUANTILES = {"p5": 0.05, "median": 0.5, "p95": 0.95}


def summarize(
    values: NDArray[np.float64], *, resamples: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Plain numbers about the finite ones of some values, each of one image.

    Intervals are percentiles over samples of images with replacement.

    Args:
        values: [N]; what is not finite was not measured and does not count.
        resamples, confidence, seed: of the bootstrap.
    Returns:
        `images` (how many count), `mean`, `p5`, `median` and `p95` ({value, low, high}), `sd` (of
        the images, N - 1); all but `images` are None where nothing counts, `sd` below two.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return {"images": 0, "mean": None, "sd": None, **dict.fromkeys(QUANTILES)}
    generator = np.random.default_rng(seed)
    samples = []
    rows = max(1, BLOCK // len(known))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = known[generator.integers(len(known), size=(count, len(known)))]
        inner = np.quantile(drawn, tuple(QUANTILES.values()), axis=1)
        samples.append(np.stack((drawn.mean(axis=1), *inner)))
    bounds = ((1 - confidence) / 2, (1 + confidence) / 2)
    lows, highs = np.quantile(np.concatenate(samples, axis=1), bounds, axis=1)
    found = (known.mean(), *np.quantile(known, tuple(QUANTILES.values())))
    estimates = [
        {"value": float(value), "low": float(low), "high": float(high)}
        for value, low, high in zip(found, lows, highs, strict=True)
    ]
    deviation = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return {
        "images": len(known),
        "mean": estimates[0],
        "sd": deviation if math.isfinite(deviation) else None,
        **dict(zip(QUANTILES, estimates[1:], strict=True)),
    }
