"""`check-realism`: how far refined images still are from real ones, by three kinds of tests."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simgan.engine.config import to_dict
from simgan.engine.data.batches import Order
from simgan.engine.evaluation.config import evaluate_config
from simgan.engine.evaluation.gaze_estimator import GazeEstimator
from simgan.engine.evaluation.labelled_set import load_set, split_rows
from simgan.engine.evaluation.realism import classifier
from simgan.engine.evaluation.realism.config import RealismConfig, realism_config
from simgan.engine.evaluation.realism.features import (
    Extractor,
    Scale,
    estimator_features,
    exported_features,
    extract,
    random_features,
)
from simgan.engine.evaluation.realism.images import Images
from simgan.engine.evaluation.realism.kernel_distance import kernel_distance
from simgan.engine.evaluation.realism.pixel_statistics import (
    PixelStatistics,
    decibels,
    histogram_distance,
    pixel_statistics,
)
from simgan.engine.evaluation.realism.results import prepare_folder, write_results
from simgan.engine.evaluation.realism.sets import Samples, load_samples
from simgan.engine.evaluation.training import Labelled, fit
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.precision import Precision, on_device, pick_device, repeatable
from simgan.engine.run_folder import environment

OWN_FEATURES = ("random", "estimator")


@dataclass(frozen=True)
class RealismResult:
    """What the tests found.

    Attributes:
        report: plain values, as in realism.json.
        files: that were written; none without `config.out`.
    """

    report: dict[str, Any]
    files: list[Path]


def check_realism(
    config: RealismConfig | Mapping[str, Any] | None = None, *, observer: Observer | None = None
) -> RealismResult:
    """Compare refined (and synthetic) images with real ones.

    Args:
        config: settings, or a mapping of them for `realism_config`.
        observer: is told of progress; silent by default.
    Returns:
        a report with `descriptions`, `features`, `comparisons` (one per set: `kid`, `classifier`,
        `pixels`), `statistics` and `spectrum` by set, `real_halves` (what two halves of the real
        images differ by) and `notes`. Shares from 0 to 1, gray values from 0 to 255.
    Raises:
        ConfigError, CheckpointError, DataError: settings, run or sets are not usable.
        DivergedError: a network became non-finite.
        DiskError: the results cannot be written.
    """
    if not isinstance(config, RealismConfig):
        config = realism_config(config)
    observer = observer or SilentObserver()
    device = pick_device(config.device)
    started = time.perf_counter()
    with repeatable(config.deterministic), on_device(device):
        samples = load_samples(config, device, observer)
        folder = prepare_folder(config.out, observer)
        report = {
            "config": to_dict(config),
            "environment": environment(),
            "descriptions": samples.descriptions,
            "confidence": config.confidence,
            **compare_samples(samples, config, device, observer),
            "seconds": time.perf_counter() - started,
        }
    files = write_results(folder, report) if folder else []
    return RealismResult(report, files)


def compare_samples(
    samples: Samples, config: RealismConfig, device: torch.device, observer: Observer
) -> dict[str, Any]:
    """Every figure of a check."""
    extractor, described = _extractor(samples, config, device, observer)
    features = extract(samples.real, extractor)
    # A given network's features stay as they are, so that of Inception it is the published KID.
    scale = Scale.of(features) if config.features in OWN_FEATURES else np.asarray
    scaled = scale(features)
    observer.message(f"kernel distance: {described}, {features.shape[1]:,} features")
    real = pixel_statistics(samples.real)
    statistics = {"real": real}
    comparisons = []
    for name, images in samples.others.items():
        kid = kernel_distance(
            scale(extract(images, extractor)),
            scaled,
            permutations=config.permutations,
            confidence=config.confidence,
            seed=config.seed,
        )
        statistics[name] = pixel_statistics(images)
        comparisons.append(
            {
                "set": name,
                "images": [len(images), len(samples.real)],
                "kid": asdict(kid),
                "classifier": _classified(name, images, samples, config, observer),
                "pixels": _distances(statistics[name], real),
            }
        )
    return {
        "features": {"kind": config.features, "description": described,
                     "dimensions": int(features.shape[1])},
        "comparisons": comparisons,
        "statistics": {name: _moments(its) for name, its in statistics.items()},
        "spectrum": {
            "frequencies": real.frequencies.tolist(),
            "power": {name: its.power.tolist() for name, its in statistics.items()},
        },
        "real_halves": _halves_differ(samples.real, config.seed),
        "notes": _notes(samples, config),
    }  # fmt: skip


def _extractor(
    samples: Samples, config: RealismConfig, device: torch.device, observer: Observer
) -> tuple[Extractor, str]:
    """Features, and what they are in words."""
    if config.features == "random":
        return random_features(samples.real.shape[0], device), "fixed random filters"
    if config.features == "estimator":
        return _trained(samples, config, device, observer), "a gaze estimator of synthetic labels"
    return exported_features(Path(config.features), device), config.features


def _trained(
    samples: Samples, config: RealismConfig, device: torch.device, observer: Observer
) -> Extractor:
    """The hidden layer of a small estimator trained on the labelled synthetic set."""
    settings = evaluate_config(
        {"size": "small", "steps": config.estimator_steps, "batch": 2 * config.batch,
         "label": config.label, "label_unit": config.label_unit}
    )  # fmt: skip
    settings = replace(settings, data=replace(samples.policy, size=None, channels="keep"))
    assert samples.synthetic is not None
    known = load_set(samples.synthetic, "train", "synthetic", settings, observer)
    order = Order(len(known), config.seed, "validation").epoch(0).numpy()
    train, held, _ = split_rows(len(known), known.persons, settings.validation_share, order)
    observer.phase("estimator of synthetic labels", settings.steps, 0)
    found = fit(
        Labelled(known.images, known.truth, train),
        Labelled(known.images, known.truth, held),
        settings,
        config.seed,
        Precision(device),
        observer,
    )
    assert isinstance(found.network, GazeEstimator)
    return estimator_features(found.network, settings.standardize)


def _classified(
    name: str, images: Images, samples: Samples, config: RealismConfig, observer: Observer
) -> dict[str, Any]:
    parts = classifier.halves(images, samples.real, config.seed)
    training = classifier.Training(samples.layout, config.steps, config.batch, config.lr)
    seeds = range(config.seed, config.seed + config.seeds)
    answers = []
    for seed in seeds:
        observer.phase(f"{name} or real, seed {seed}", config.steps, 0)
        answers.append(classifier.ask(parts, training, seed, _Steps(observer)))
    found = asdict(classifier.summarize(answers, list(seeds), config.confidence))
    found["seeds"] = [
        {"seed": seed, "patch_accuracy": patches, "image_accuracy": whole}
        for seed, patches, whole in found["seeds"]
    ]
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in found.items()
    }


class _Steps:
    """Tells an observer of every update of a discriminator."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._step = 0

    def __call__(self) -> None:
        self._step += 1
        self._observer.tick({"step": float(self._step)})


def _distances(its: PixelStatistics, real: PixelStatistics) -> dict[str, float]:
    """How far a set is from the real one: gray levels, gray levels per px, dB."""
    away = abs(decibels(its.power, real.power))
    return {
        "gray": histogram_distance(its.gray, real.gray),
        "gradient": histogram_distance(its.gradient, real.gradient),
        "spectrum_db": float(away.mean()),
    }


def _moments(its: PixelStatistics) -> dict[str, float]:
    return {
        "gray_mean": its.gray_mean,
        "gray_deviation": its.gray_deviation,
        "gradient_mean": its.gradient_mean,
        "gradient_deviation": its.gradient_deviation,
    }


def _halves_differ(real: Images, seed: int) -> dict[str, float]:
    """Pixel distances between two random halves of the real images: what chance alone gives."""
    order = Order(len(real), seed, "real halves").epoch(0)
    middle = len(real) // 2
    first, second = (
        pixel_statistics(real.some(part)) for part in (order[:middle], order[middle : 2 * middle])
    )
    return _distances(first, second)


def _notes(samples: Samples, config: RealismConfig) -> list[str]:
    notes = []
    if config.features == "random":
        notes.append(
            "the KID of random filters compares sets of one check; it is not the KID of Inception"
        )
    if config.seeds == 1:
        notes.append("one fresh discriminator: nothing is known about other seeds")
    small = min(len(images) for images in (*samples.others.values(), samples.real))
    if small < config.images:
        notes.append(f"the smallest sample has {small:,} images; {config.images:,} were asked for")
    if config.run is not None:
        notes.append("the run was trained on these real images")
    return notes
