"""How much of an ablation is done, and how long the rest will take at the pace so far."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from simgan.engine.evaluation.ablation.config import AblateConfig
from simgan.engine.evaluation.ablation.plan import Plan
from simgan.engine.evaluation.ablation.records import Folder, Record

SYNTHETIC = "synthetic"  # the record of unrefined images


@dataclass(frozen=True)
class Progress:
    """Where an ablation stands.

    Attributes:
        runs: of the plan.
        trained: runs whose last look has its weights, or that failed.
        seconds: of the rest at the pace so far; None before anything was timed.
    """

    runs: int
    trained: int
    seconds: float | None


def progress_of(plan: Plan, folder: Folder, config: AblateConfig) -> Progress:
    """Progress from the records. Estimators count as done whatever their settings were.

    Raises:
        CheckpointError: a record is damaged.
    """
    records = {run.name: folder.record(run.name) for run in plan.runs}
    unrefined = folder.record(SYNTHETIC)
    trained_s = trained_work = work_left = 0.0
    finished = 0
    estimators_left = _missing(
        len({arm.parts for arm in plan.arms}) * config.seeds * config.estimator_seeds, unrefined
    )
    for run in plan.runs:
        record = records[run.name]
        for step, work in zip(run.looks, run.work, strict=True):
            look = record.looks.get(str(step))
            if look is not None:
                trained_s, trained_work = trained_s + look["seconds"], trained_work + work
            elif record.failed is None:
                work_left += work
        finished += record.failed is not None or str(run.looks[-1]) in record.looks
        if record.failed is None:
            estimators_left += _missing(len(run.looks) * config.estimator_seeds, record)
    times = list(_estimator_seconds([unrefined, *records.values()]))
    seconds = None
    if times and (trained_work or not work_left):
        pace = trained_s / trained_work if trained_work else 0.0
        seconds = pace * work_left + sum(times) / len(times) * estimators_left
    return Progress(len(plan.runs), finished, seconds)


def _missing(wanted: int, record: Record) -> int:
    done = sum(len(held["estimators"]) for held in record.measured.values())
    return max(0, wanted - done)


def _estimator_seconds(records: Iterable[Record]) -> Iterable[float]:
    for record in records:
        for held in record.measured.values():
            for one in held["estimators"].values():
                yield float(one["seconds"])


def time_left(seconds: float) -> str:
    """`about 12 minutes are left`, rounded up."""
    minutes = math.ceil(seconds / 60)
    return "about a minute is left" if minutes <= 1 else f"about {minutes:,} minutes are left"
