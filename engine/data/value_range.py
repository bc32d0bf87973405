"""Which stored values become -1 and 1: one range for the whole set, never per image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy, parse_range
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError

PER_MILLE = (1, 999)
BLOCK = 1 << 24


def count_values(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """How often each stored value occurs: int64 [256] for uint8, [65536] for uint16."""
    bins = np.iinfo(pixels.dtype).max + 1
    counts = np.zeros(bins, np.int64)
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        counts += np.bincount(flat[start : start + BLOCK], minlength=bins)
    return counts


def refuse_undeclared(name: str, dtype: Any, source: Source, policy: DataPolicy) -> None:
    """Raise DataError above 8 bits when neither the policy nor the format states a range."""
    if np.dtype(dtype) == np.uint8 or policy.range is not None:
        return
    if source.value_limits() is None:
        raise DataError(
            f"{name} is 16-bit; set data.range: full (0..65535), minmax, percentile or A..B"
            " \u2014 not guessed"
        )


def value_range(
    counts: NDArray[np.int64], policy: DataPolicy, declared: tuple[float, float] | None
) -> tuple[float, float]:
    """The stored values that become -1 and 1.

    Args:
        counts: of every stored value in the whole set.
        policy: `range` decides.
        declared: what the format says, used when the policy says nothing.
    Raises:
        DataError: all pixels are equal, so that no range exists.
    """
    full = (0.0, float(len(counts) - 1))
    rule = parse_range(policy.range) if policy.range is not None else "full"
    if isinstance(rule, tuple):
        return rule
    if policy.range is None and declared is not None and len(counts) > 256:
        return declared
    if rule == "full":
        return full
    present = np.flatnonzero(counts)
    low, high = float(present[0]), float(present[-1])
    if rule == "percentile":
        ranks = np.cumsum(counts)
        # Whole numbers, so that the same set always gives the same range.
        low, high = (
            float(np.searchsorted(ranks, -(-int(ranks[-1]) * share // 1000))) for share in PER_MILLE
        )
    if not low < high:
        raise DataError(
            f"data.range {policy.range} finds no range: (nearly) all pixels are {low:g}",
            fix="State it as A..B or full.",
        )
    return low, high


def count_outside(counts: NDArray[np.int64], limits: tuple[float, float]) -> int:
    """Number of stored values outside the closed range; they saturate at -1 or 1."""
    values = np.arange(len(counts))
    return int(counts[(values < limits[0]) | (values > limits[1])].sum())
