"""Errors of every arm as one object of plain values: means, intervals, curves, people, comparisons.

This is the only place where the labels of the test set are looked at.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.statistics import Bootstrap, Errors, compare, within
from simgan.engine.evaluation.task import Task, Truth
from simgan.engine.evaluation.tasks import task_of

FEW_UNITS = 10


@dataclass(frozen=True)
class ArmPredictions:
    """What one arm made of the test images, before anybody looked at their labels.

    Attributes:
        name: of the arm.
        predicted: [S, N, ...], one estimator per seed.
        baselines: (name, setting, images trained on, [N, ...]) of the simple estimators.
    """

    name: str
    predicted: NDArray[np.float32]
    baselines: list[tuple[str, str, int, NDArray[np.float64]]]


def judge(
    arms: list[ArmPredictions],
    truth: Truth,
    persons: NDArray[Any] | None,
    config: EvaluateConfig,
) -> dict[str, Any]:
    """Every number of an evaluation.

    Args:
        arms: predictions of the same N test images; the first arm is the reference of comparisons.
        truth: [N, ...], the labels of the test images.
        persons: int64 or text [N], or None; two or more are the units that are resampled.
        config: resamples, confidence, seed.
    Returns:
        `arms`, `baselines`, `comparisons`, `persons`, `resampled` and `notes`, and a list of what
        the task calls its parts; errors in the task's unit, shares from 0 to 1.
    """
    task = task_of(config)
    units, kind, notes = _units(persons, len(truth), config)
    by_part = [task.errors(arm.predicted, truth) for arm in arms]
    # The parts of an image are errors of its unit, which is drawn as a whole.
    units = np.repeat(units, max(1, len(task.parts)))
    errors = [_flat(values) for values in by_part]
    seeds = errors[0].shape[0]
    pooled = _bootstrap(seeds, units, config)
    single = pooled if seeds == 1 else _bootstrap(1, units, config)
    return {
        "error": task.error,
        "unit": task.unit,
        "images": len(truth),
        "confidence": config.confidence,
        "resampled": f"{kind} and seeds" if seeds > 1 else kind,
        "arms": _by_arm(arms, errors, pooled, single, config),
        "baselines": _by_baseline(arms, truth, single, task),
        "comparisons": [
            {
                "reference": arms[0].name,
                "arm": arm.name,
                **_compared(errors[0], values, units, task, config),
            }
            for arm, values in zip(arms[1:], errors[1:], strict=True)
        ],
        "persons": _by_person(arms, by_part, persons),
        **({task.parts_name: _by_part(arms, by_part, task)} if task.parts else {}),
        "notes": [*notes, *([task.note] if task.note else [])],
    }


def _by_arm(
    arms: list[ArmPredictions],
    errors: list[Errors],
    pooled: Bootstrap,
    single: Bootstrap,
    config: EvaluateConfig,
) -> list[dict[str, Any]]:
    """Summaries of all seeds and of each, and the curve of every arm on the same grid."""
    task = task_of(config)
    grid = _grid(max(float(e.max()) for e in errors), task.curve_step)
    return [
        {
            "name": arm.name,
            **_summary(values, pooled, task),
            "seeds": [
                {"seed": config.seed + s, **_summary(row[None], single, task)}
                for s, row in enumerate(values)
            ],
            "curve": {task.unit: grid, "share": within(values, grid)},
        }
        for arm, values in zip(arms, errors, strict=True)
    ]


def _by_baseline(
    arms: list[ArmPredictions], truth: Truth, single: Bootstrap, task: Task
) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm.name,
            "name": name,
            "setting": setting,
            "trained_on": count,
            **_summary(_flat(task.errors(predicted, truth)[None]), single, task),
        }
        for arm in arms
        for name, setting, count, predicted in arm.baselines
    ]


def _flat(errors: Errors) -> Errors:
    """[S, N] or [S, N, P] -> [S, N] or [S, N P]."""
    return errors.reshape(len(errors), -1)


def _bootstrap(seeds: int, units: NDArray[np.int64], config: EvaluateConfig) -> Bootstrap:
    return Bootstrap(
        seeds, units, resamples=config.resamples, confidence=config.confidence, seed=config.seed
    )


def _units(
    persons: NDArray[Any] | None, count: int, config: EvaluateConfig
) -> tuple[NDArray[Any], str, list[str]]:
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


def _grid(greatest: float, step: float) -> list[float]:
    """Multiples of `step` from 0 until no error is greater."""
    return [step * i for i in range(math.ceil(greatest / step) + 1)]


def _summary(errors: Errors, bootstrap: Bootstrap, task: Task) -> dict[str, Any]:
    """Mean, median and named shares of errors [S, N], each with its interval."""
    near = {
        str(limit): asdict(bootstrap.mean((errors <= limit).astype(np.float64)))
        for limit in task.named
    }
    mean, median = bootstrap.mean(errors), bootstrap.median(errors)
    return {"mean": asdict(mean), "median": asdict(median), "within": near}


def _compared(
    reference: Errors, arm: Errors, units: NDArray[np.int64], task: Task, config: EvaluateConfig
) -> dict[str, Any]:
    """The comparison of mean errors, and of the shares that the task has compared."""
    found: dict[str, Any] = asdict(compare(reference, arm, units, config.confidence))
    if task.compared:
        found["within"] = {
            # Of the shares that are missed, so that above 0 the arm is better here too.
            str(limit): asdict(
                compare(
                    (reference > limit).astype(np.float64),
                    (arm > limit).astype(np.float64),
                    units,
                    config.confidence,
                )
            )
            for limit in task.compared
        }
    return dict(_plain(found))


def _by_part(arms: list[ArmPredictions], errors: list[Errors], task: Task) -> list[dict[str, Any]]:
    """Errors of each part of the images, over all seeds and images."""
    return [
        {
            "name": name,
            "arms": {
                arm.name: {
                    "mean": float(values[..., part].mean()),
                    "median": float(np.median(values[..., part])),
                    "within": {
                        str(limit): float((values[..., part] <= limit).mean())
                        for limit in task.named
                    },
                }
                for arm, values in zip(arms, errors, strict=True)
            },
        }
        for part, name in enumerate(task.parts)
    ]


def _by_person(
    arms: list[ArmPredictions], errors: list[Errors], persons: NDArray[Any] | None
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
        rows.append({"person": person.item(), "images": int(chosen.sum()), "arms": of_arms})
    return rows


def _plain(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
