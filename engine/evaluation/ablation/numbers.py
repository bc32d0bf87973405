"""The arithmetic of an ablation's table: means over refiner seeds, paired differences, stability.

Refiner seeds are the unit: the n errors of an arm are means over the test images (and over the
estimators of a seed), and vary with everything that a seed decides. The test set is fixed.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from simgan.engine.evaluation import student_t
from simgan.engine.evaluation.statistics import Estimate, compare, standard_error

Curve = Sequence[float | None]  # error of one run at each look; None where there is none
ONE_UNIT = np.zeros(1, np.int64)


def over_seeds(values: Sequence[float], confidence: float) -> Estimate:
    """Mean of n values with Student's interval, n - 1 degrees of freedom; NaN bounds for n = 1."""
    column = np.asarray(values, np.float64)[:, None]
    mean = float(column.mean())
    deviation, freedom = standard_error(column - mean, ONE_UNIT)
    if not freedom:
        return Estimate(mean, math.nan, math.nan)
    half = deviation * student_t.quantile(confidence, freedom)
    return Estimate(mean, mean - half, mean + half)


def paired(reference: Curve, arm: Curve, confidence: float) -> dict[str, Any] | None:
    """The paired t test over the seeds that both have; None when they share none.

    Args:
        reference, arm: errors by seed.
        confidence: of the intervals.
    Returns:
        `difference` (reference minus arm: above 0 the arm is better, degrees), `gain` (the
        difference over the reference's mean), `p` and `seeds` (how many were compared).
    """
    both = [(r, a) for r, a in zip(reference, arm, strict=True) if r is not None and a is not None]
    if not both:
        return None
    table = np.asarray(both, np.float64)
    found = compare(table[:, :1], table[:, 1:], ONE_UNIT, confidence)
    return {
        "difference": asdict(found.difference),
        "gain": asdict(found.gain),
        "p": found.p,
        "seeds": len(both),
        "per_seed": found.per_seed,
    }


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values adjusted for being several (Holm 1979); None and NaN stay out of the count."""
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None and not math.isnan(p))
    adjusted: list[float | None] = [None] * len(ps)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        adjusted[place] = least
    return adjusted


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample; None of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def fluctuation(curves: Sequence[Curve]) -> float | None:
    """How much errors jump from look to look, degrees, over all seeds; None without two looks.

    The root of half the mean squared successive difference (von Neumann 1941): the standard
    deviation of errors that are independent around a level that drifts slowly.
    """
    jumps = [
        after - before
        for curve in curves
        for before, after in itertools.pairwise(curve)
        if before is not None and after is not None
    ]
    return math.sqrt(float(np.mean(np.square(jumps))) / 2) if jumps else None


def series(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """At each look: mean, spread, least and most over the seeds that have it."""
    rows = []
    for values in zip(*curves, strict=True):
        known = [value for value in values if value is not None]
        rows.append(
            {
                "mean": float(np.mean(known)) if known else None,
                "spread": spread(known),
                "least": min(known, default=None),
                "most": max(known, default=None),
                "seeds": len(known),
            }
        )
    return rows


def summarize(
    curves: Mapping[str, Sequence[Curve]],
    unrefined: Mapping[str, Sequence[float]],
    base: str,
    confidence: float,
) -> dict[str, dict[str, Any]]:
    """The numbers of every arm; those at the last look are the table's.

    Args:
        curves: by arm, the error of each seed (the same seeds in each arm) at each look.
        unrefined: by arm, errors by seed of estimators on as many images, unrefined.
        base: name of the arm that the others are compared with.
        confidence: of the intervals.
    """
    final = {name: [curve[-1] for curve in of_arm] for name, of_arm in curves.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, errors in final.items():
        known = [error for error in errors if error is not None]
        rows[name] = {
            "mean": asdict(over_seeds(known, confidence)) if known else None,
            "spread": spread(known),
            "fluctuation": fluctuation(curves[name]),
            "over_steps": series(curves[name]),
            "against_base": paired(final[base], errors, confidence) if name != base else None,
            "against_unrefined": paired(unrefined[name], errors, confidence),
        }
    tested = [name for name in rows if rows[name]["against_base"] is not None]
    adjusted = holm([rows[name]["against_base"]["p"] for name in tested])
    for name, p in zip(tested, adjusted, strict=True):
        rows[name]["against_base"]["p_holm"] = p
    return {name: plain(row) for name, row in rows.items()}


def plain(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
