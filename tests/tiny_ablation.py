"""The smallest ablation that still trains, refines, estimates and compares."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simgan.engine.evaluation.ablation import measuring
from simgan.engine.evaluation.labelled_set import LabelledSet

TINY: dict[str, Any] = {
    "synthetic": "procedural:synthetic?count=88&seed=1",
    "real": "procedural:camera?count=20&seed=2",
    "test": "procedural:camera?count=12&seed=3",
    "arms": "history",
    "seeds": 1,
    "looks": 2,
    "steps": 2,
    "batch": 4,
    "width": 4,
    "blocks": 1,
    "history_capacity": 6,
    "pretrain_refiner_steps": 1,
    "pretrain_discriminator_steps": 1,
    "log_every": 1,
    "sample_every": 100,
    "checkpoint_every": 1,
    "device": "cpu",
    "tensorboard": False,
    "deterministic": True,
    "sample": 24,
    "estimator_size": "small",
    "estimator_steps": 2,
    "estimator_batch": 4,
}


def settings(out: Path, **changes: Any) -> dict[str, Any]:
    """For `ablate`."""
    return {**TINY, "out": str(out), **changes}


def words(values: Mapping[str, Any]) -> list[str]:
    """The same as a command line."""
    found = ["ablate"]
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            found.append(option if value else option.replace("--", "--no-", 1))
        else:
            found += [option, str(value)]
    return found


def comparable(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without what depends on the clock and the place."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in ("seconds", "environment")}
        return [bare(item) for item in value] if isinstance(value, list) else value

    found: dict[str, Any] = bare(report)
    del found["config"]["out"]
    return found


class Calls:
    """Counts what costs time, and spares the tests the estimators: errors are made up.

    The error of seed s on images of mean m is `error(s, m)`.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.estimated: list[int] = []
        self.trained: list[str] = []
        from simgan.engine.evaluation.ablation import refiners

        real_train, real_resume = refiners.train, refiners.resume

        def estimate(bench: Any, labelled: LabelledSet, seed: int, observer: Any) -> dict[str, Any]:
            self.estimated.append(seed)
            mean = float(labelled.images.images.mean())
            return {"error": seed % 7 + mean, "best_step": 1, "validation_error": 1.0,
                    "seconds": 0.5}  # fmt: skip

        def train(config: Any, **named: Any) -> Any:
            self.trained.append(Path(config.out).name)
            return real_train(config, **named)

        def resume(path: Path, **named: Any) -> Any:
            self.trained.append(f"{Path(path).name} to {named['steps']}")
            return real_resume(path, **named)

        monkeypatch.setattr(measuring, "_estimate", estimate)
        monkeypatch.setattr(refiners, "train", train)
        monkeypatch.setattr(refiners, "resume", resume)

    def forget(self) -> None:
        self.estimated.clear()
        self.trained.clear()
