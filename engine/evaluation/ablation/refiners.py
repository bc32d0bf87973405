"""Trains one refiner of an ablation from look to look, and keeps its weights at each.

A run is trained in stretches: to its first look, then resumed with more steps, which is exact. So
a run that was killed is resumed in the same way as one that was looked at.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from simgan.engine.checkpoint import newest_checkpoint
from simgan.engine.config import TrainConfig
from simgan.engine.durable import digest, replace_file
from simgan.engine.errors import ConfigError, Interrupted
from simgan.engine.evaluation.ablation.plan import Run
from simgan.engine.evaluation.ablation.records import Folder, Record
from simgan.engine.evaluation.ablation.watching import interrupted
from simgan.engine.observer import Observer
from simgan.engine.trainer import resume, train

TOLD = (
    "realism_loss", "self_regularization", "discriminator_loss", "d_accuracy_real",
    "d_accuracy_refined",
)  # fmt: skip


def train_to(
    step: int, run: Run, config: TrainConfig, folder: Folder, record: Record, observer: Observer
) -> None:
    """Train a run to a look that its record does not have, and note it there.

    Args:
        step: of the look; every earlier one is in the record.
        run: of the plan.
        config: of the run up to its first look.
        folder, record: where to.
        observer: is told of progress.
    Raises:
        DivergedError: as `train`.
        ConfigError: the run stopped by itself before the look.
        Interrupted: a signal came; what is done is saved.
    """
    started = time.perf_counter()
    place = folder.run(run)
    if place.exists() and not (place / "config.json").is_file():
        shutil.rmtree(place)  # killed before it had noted its settings: there is no run yet
    try:
        if place.exists():
            transform = config.feature_transform
            named = transform if transform.endswith(".pt2") else None
            resume(place, steps=step, feature_transform=named, observer=observer)
        else:
            train(config, observer=observer)
    except Interrupted as stop:
        raise interrupted(stop.exit_code - 128) from stop
    checkpoint = newest_checkpoint(place / "checkpoints")
    if checkpoint.name != f"step-{step:08d}":
        raise ConfigError(
            f"{run.title} stopped by itself at {checkpoint.name}, before step {step}: the arms of "
            "an ablation train equally long",
            fix="Take away the setting that stops runs early.",
        )
    weights = (checkpoint / "refiner.safetensors").read_bytes()
    kept = folder.weights(run, step)
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_file(kept, weights)
    record.looks[str(step)] = {
        "weights": digest(weights),
        "metrics": last_metrics(place / "metrics.jsonl"),
        "seconds": time.perf_counter() - started,
    }
    record.save()


def last_metrics(file: Path) -> dict[str, float]:
    """The last row of Algorithm 1 in a run's metrics.jsonl: losses and accuracies."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
    trained = [row for row in rows if row["phase"] == "train"]
    return {name: trained[-1][name] for name in TOLD if name in trained[-1]} if trained else {}
