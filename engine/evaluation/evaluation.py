"""`evaluate`: train estimators on every training set, predict the test images, then look at labels.

The labels of the test set reach no code that trains, chooses or predicts: `predict_test` has no
argument for them. `report.judge` compares them with predictions that are final.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from simgan.engine.config import to_dict
from simgan.engine.data.batches import Order
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DataError
from simgan.engine.evaluation import baselines
from simgan.engine.evaluation.config import EvaluateConfig, evaluate_config
from simgan.engine.evaluation.labelled_set import (
    LEAST,
    LabelledSet,
    load_sets,
    split_rows,
    warn_of_shared_images,
)
from simgan.engine.evaluation.matched_rows import Weights, drawn_rows, match_arms
from simgan.engine.evaluation.report import ArmPredictions, judge
from simgan.engine.evaluation.results import prepare_folder, write_results
from simgan.engine.evaluation.tasks import task_of
from simgan.engine.evaluation.training import Fit, Labelled, fit, looked_at, predict
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.precision import Precision, on_device, pick_device, repeatable
from simgan.engine.run_folder import environment


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        report: plain values, as in evaluation.json.
        errors: [A, S, N] of every arm, seed and test image, in the task's unit; [A, S, N, P] for
            images of several parts.
        files: that were written; none without `config.out`.
    """

    report: dict[str, Any]
    errors: NDArray[np.float64]
    files: list[Path]


@dataclass(frozen=True)
class TrainedArm:
    """One arm after training: its predictions, and how its estimators were chosen."""

    predictions: ArmPredictions
    facts: dict[str, Any]
    fits: list[dict[str, Any]]


def evaluate(
    config: EvaluateConfig | Mapping[str, Any] | None = None, *, observer: Observer | None = None
) -> EvaluationResult:
    """Train the task's estimator on each training set, with several seeds, and test it.

    Args:
        config: settings, or a mapping of them for `evaluate_config`.
        observer: is told of progress; silent by default.
    Raises:
        ConfigError, DataError: settings or sets are not usable; nothing was trained.
        DivergedError: an estimator became non-finite.
        DiskError: the results cannot be written.
    """
    if not isinstance(config, EvaluateConfig):
        config = evaluate_config(config)
    observer = observer or SilentObserver()
    device = pick_device(config.device)
    precision = Precision.choose(device, amp=config.amp, channels_last=config.channels_last)
    started = time.perf_counter()
    with repeatable(config.deterministic), on_device(device):
        sets = load_sets(config, observer)
        warn_of_shared_images(sets, observer)
        folder = prepare_folder(config.out, observer)
        _say_first(config, device, observer)
        trained = predict_test(
            sets.arms, sets.validation, sets.test.images, config, precision, observer
        )
    arms = [arm.predictions for arm in trained]
    found = judge(arms, sets.test.truth, sets.test.persons, config)
    for arm, known in zip(found["arms"], trained, strict=True):
        arm |= known.facts
        for row, chosen in zip(arm["seeds"], known.fits, strict=True):
            row |= chosen
    report = {
        "task": config.task,
        "config": to_dict(config),
        "environment": {**environment(), "precision": precision.describe()},
        "test": {"location": config.test, "description": sets.test.description},
        **found,
        "seconds": time.perf_counter() - started,
    }
    task = task_of(config)
    errors = np.stack([task.errors(arm.predicted, sets.test.truth) for arm in arms])
    names = sets.test.images.names
    files = write_results(folder, report, task, names, errors) if folder else []
    return EvaluationResult(report, errors, files)


def _say_first(config: EvaluateConfig, device: torch.device, observer: Observer) -> None:
    """What somebody should know before the hours pass."""
    if config.baselines and not baselines.installed():
        observer.warning("no kNN and ridge without scikit-learn: install simgan-engine[evaluate]")
    if device.type == "cpu" and config.size == "paper":
        observer.message(
            "the paper's estimator takes hours on a CPU; for a first look add "
            "--size small --batch 64 --steps 1000"
        )


def predict_test(
    arms: list[LabelledSet],
    validation: LabelledSet | None,
    test: ImageArray,
    config: EvaluateConfig,
    precision: Precision,
    observer: Observer,
) -> list[TrainedArm]:
    """Train everything and predict the test images, whose labels are not among the arguments.

    Args:
        arms: training sets.
        validation: chooses steps, k and alpha; without it a part of each training set does.
        test: images only.
        config, precision: of the evaluation.
        observer: is told of a phase per estimator.
    """
    matched = match_arms(arms, config, observer)
    return [
        _train_arm(arm, weights, validation, test, config, precision, observer)
        for arm, weights in zip(arms, matched, strict=True)
    ]


def _train_arm(
    arm: LabelledSet,
    weights: Weights | None,
    validation: LabelledSet | None,
    test: ImageArray,
    config: EvaluateConfig,
    precision: Precision,
    observer: Observer,
) -> TrainedArm:
    training, chooser, parted_by = _split(arm, weights, validation, config)
    observer.message(
        f"{arm.name}: {len(training.rows):,} images train, "
        f"{len(chooser.rows):,} validate ({parted_by})"
    )
    images = looked_at(test, precision.device)
    rows = np.arange(len(test))
    fits: list[Fit] = []
    predicted = []
    for seed in range(config.seed, config.seed + config.seeds):
        observer.phase(f"{arm.name}, seed {seed}", config.steps, 0)
        fits.append(fit(training, chooser, config, seed, precision, observer))
        predicted.append(predict(fits[-1].network, images, rows, config, precision))
    simple = [baselines.mean_label(training, test)]
    if config.baselines and baselines.installed():
        simple += baselines.on_pixels(training, chooser, test, config)
    return TrainedArm(
        ArmPredictions(
            arm.name,
            np.stack(predicted),
            [(b.name, b.setting, b.count, b.predicted) for b in simple],
        ),
        {
            "location": arm.images.location,
            "description": arm.description,
            "fingerprint": arm.images.fingerprint,
            "trained_on": len(training.rows),
            "validated_on": len(chooser.rows),
            "validation": parted_by,
        },
        [
            {
                "best_step": f.best_step,
                "validation_error": f.validation_error,
                "history": [{"step": step, "validation_error": e} for step, e in f.history],
            }
            for f in fits
        ],
    )


def _split(
    arm: LabelledSet,
    weights: Weights | None,
    validation: LabelledSet | None,
    config: EvaluateConfig,
) -> tuple[Labelled, Labelled, str]:
    """What trains, what validates, and how they were parted; the same for every seed."""
    if validation is not None:
        rows = np.arange(len(validation))
        chooser = Labelled(validation.images, validation.truth, rows)
        everything = drawn_rows(np.arange(len(arm)), weights)
        return Labelled(arm.images, arm.truth, everything), chooser, "the validation set"
    order = Order(len(arm), config.seed, "validation").epoch(0).numpy()
    train, held, kind = split_rows(len(arm), arm.persons, config.validation_share, order)
    train, held = drawn_rows(train, weights), drawn_rows(held, weights)
    if len(train) < LEAST["train"] // 2 or not len(held):
        raise DataError(
            f"{arm.name}: {len(train):,} images are left to train on after {len(held):,} were held "
            "out for validation"
            + ("" if weights is None else " (both of those that match_labels leaves)"),
            where=arm.images.location,
            fix="Give more images, or a --validation set.",
        )
    return Labelled(arm.images, arm.truth, train), Labelled(arm.images, arm.truth, held), kind
