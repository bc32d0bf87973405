"""Errors of every arm as one object of plain values: means, intervals, curves, people, comparisons.

This is the only place where the labels of the test set are looked at.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import Vectors, angular_error
from simgan.engine.evaluation.statistics import Bootstrap, compare, within

NAMED_DEGREES = (7, 13)  # the paper's text says 7; its own curve has those values near 13
CURVE_STEP = 0.25
FEW_UNITS = 10

Errors = NDArray[np.float64]


@dataclass(frozen=True)
class ArmPredictions:
    """What one arm made of the test images, before anybody looked at their labels.

    Attributes:
        name: of the arm.
        predicted: [S, N, 3], gaze vectors of any length, one estimator per seed.
        baselines: (name, setting, images trained on, [N, 3]) of the simple estimators.
    """

    name: str
    predicted: NDArray[np.float32]
    baselines: list[tuple[str, str, int, NDArray[np.float64]]]


def errors_of(arm: ArmPredictions, gaze: Vectors) -> Errors:
    """Degrees [S, N] of an arm against the true gaze [N, 3]."""
    return angular_error(arm.predicted, gaze)


def judge(
    arms: list[ArmPredictions],
    gaze: Vectors,
    persons: NDArray[np.int64] | None,
    config: EvaluateConfig,
) -> dict[str, Any]:
    """Every number of an evaluation.

    Args:
        arms: predictions of the same N test images; the first arm is the reference of comparisons.
        gaze: [N, 3], the labels of the test images.
        persons: int64 [N] or None; with at least two, they are the units that are resampled.
        config: resamples, confidence, seed.
    Returns:
        `arms`, `baselines`, `comparisons`, `persons`, `resampled` and `notes`; errors in degrees,
        shares from 0 to 1.
    """
    units, kind, notes = _units(persons, len(gaze), config)
    errors = [errors_of(arm, gaze) for arm in arms]
    seeds = errors[0].shape[0]
    pooled = _bootstrap(seeds, units, config)
    single = pooled if seeds == 1 else _bootstrap(1, units, config)
    top = CURVE_STEP * math.ceil(max(float(e.max()) for e in errors) / CURVE_STEP)
    grid = [CURVE_STEP * i for i in range(round(top / CURVE_STEP) + 1)]
    return {
        "unit": "degrees",
        "images": len(gaze),
        "confidence": config.confidence,
        "resampled": f"{kind} and seeds" if seeds > 1 else kind,
        "arms": [
            {
                "name": arm.name,
                **_summary(values, pooled),
                "seeds": [
                    {"seed": config.seed + s, **_summary(row[None], single)}
                    for s, row in enumerate(values)
                ],
                "curve": {"degrees": grid, "share": within(values, grid)},
            }
            for arm, values in zip(arms, errors, strict=True)
        ],
        "baselines": [
            {
                "arm": arm.name,
                "name": name,
                "setting": setting,
                "trained_on": count,
                **_summary(angular_error(predicted, gaze)[None], single),
            }
            for arm in arms
            for name, setting, count, predicted in arm.baselines
        ],
        "comparisons": [
            {
                "reference": arms[0].name,
                "arm": arm.name,
                **_plain(asdict(compare(errors[0], values, units, config.confidence))),
            }
            for arm, values in zip(arms[1:], errors[1:], strict=True)
        ],
        "persons": _by_person(arms, errors, persons),
        "notes": notes,
    }


def _bootstrap(seeds: int, units: NDArray[np.int64], config: EvaluateConfig) -> Bootstrap:
    return Bootstrap(
        seeds, units, resamples=config.resamples, confidence=config.confidence, seed=config.seed
    )


def _units(
    persons: NDArray[np.int64] | None, count: int, config: EvaluateConfig
) -> tuple[NDArray[np.int64], str, list[str]]:
    """What is resampled, its name, and what must be said about it."""
    notes = []
    if config.seeds == 1:
        notes.append("one seed: the intervals say nothing about other seeds")
    if persons is None:
        notes.append("no persons are known: intervals hold for other images of the same people")
        return np.arange(count), "images", notes
    many = len(np.unique(persons))
    if many == 1:
        notes.append("one person: intervals hold for other images of that person")
        return np.arange(count), "images", notes
    if many < FEW_UNITS:
        notes.append(f"{many} persons are few: bootstrap intervals over them are rather too narrow")
    return persons, "persons", notes


def _summary(errors: Errors, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mean, median and named shares of errors [S, N], each with its interval."""
    near = {
        str(degrees): asdict(bootstrap.mean((errors <= degrees).astype(np.float64)))
        for degrees in NAMED_DEGREES
    }
    mean, median = bootstrap.mean(errors), bootstrap.median(errors)
    return {"mean": asdict(mean), "median": asdict(median), "within": near}


def _by_person(
    arms: list[ArmPredictions], errors: list[Errors], persons: NDArray[np.int64] | None
) -> list[dict[str, Any]]:
    if persons is None:
        return []
    rows = []
    for person in np.unique(persons):
        chosen = persons == person
        of_arms = {
            arm.name: {
                "mean": float(values[:, chosen].mean()),
                "median": float(np.median(values[:, chosen])),
            }
            for arm, values in zip(arms, errors, strict=True)
        }
        rows.append({"person": int(person), "images": int(chosen.sum()), "arms": of_arms})
    return rows


def _plain(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
