"""What a refiner is worth: the error on real images of an estimator trained on what it refined."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import to_dict
from simgan.engine.data.packing import fingerprint_of
from simgan.engine.durable import digest
from simgan.engine.errors import CheckpointError
from simgan.engine.evaluation.ablation.config import AblateConfig, estimator_config
from simgan.engine.evaluation.ablation.records import Record, key_of
from simgan.engine.evaluation.ablation.sets import Sets, as_estimator_takes
from simgan.engine.evaluation.ablation.watching import refuse_to_go_on
from simgan.engine.evaluation.evaluation import predict_test
from simgan.engine.evaluation.labelled_set import LabelledSet
from simgan.engine.evaluation.tasks import task_of
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision, on_device, pick_backends, pick_device, repeatable
from simgan.engine.refiner import load_refiner_file
from simgan.engine.refining.forward import RefiningForward, steady_threads
from simgan.engine.signals import StopRequest
from simgan.kernels.residual_block import block_limits

CHUNK = 256  # images refined between two looks at the signals
# Settings of an evaluation that do not change what one estimator becomes.
_APART = (
    "train", "test", "validation", "seeds", "seed", "baselines", "resamples", "confidence", "out",
    "device", "label", "label_unit", "data",
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Where refiners are measured.

    Attributes:
        config: of the ablation.
        sets: of the ablation.
        precision: of refining and of the estimators.
        stop: what the signals ask for.
    """

    config: AblateConfig
    sets: Sets
    precision: Precision
    stop: StopRequest

    @classmethod
    def of(cls, config: AblateConfig, sets: Sets, stop: StopRequest) -> "Bench":
        """With the device and arithmetic that the settings name."""
        device = pick_device(config.device)
        precision = Precision.choose(device, amp=config.amp, channels_last=config.channels_last)
        return cls(config, sets, precision, stop)

    def key(self, weights: str | None, rows: NDArray[np.int64]) -> str:
        """Of everything that an error depends on, besides the seed of the estimator.

        Args:
            weights: hash of the refiner; None for images as they are.
            rows: synthetic images that are refined.
        """
        sets = self.sets
        estimator = {
            name: value
            for name, value in to_dict(estimator_config(self.config)).items()
            if name not in _APART
        }
        labels = [digest(part.truth.tobytes()) for part in (sets.labelled, sets.test)]
        images = [sets.synthetic.fingerprint, sets.test.images.fingerprint]
        return key_of(weights, digest(rows.tobytes()), images, labels, estimator)

    def refined(self, file: Path | None, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Synthetic images after a refiner, as `refine` would store them, [n, H, W, C].

        Args:
            file: weights; None leaves the images as they are.
            rows: which images.
        """
        images = self.sets.synthetic.images
        if file is None:
            return np.asarray(images[rows])
        shape = load_refiner_file(file).shape
        limits = {"residual_block": block_limits(shape.width, shape.kernel)}
        backends = pick_backends(self.config.backend, self.precision, limits)
        refiner = load_refiner_file(file, backends.get("residual_block"))
        forward = RefiningForward(
            refiner,
            receptive_field=refiner.receptive_field,
            width=refiner.shape.width,
            precision=self.precision,
            batch=CHUNK,
            tile=None,
            say=lambda text: None,
        )
        parts = []
        for start in range(0, len(rows), CHUNK):
            refuse_to_go_on(self.stop)
            chunk = list(images[rows[start : start + CHUNK]])
            parts.append(forward.submit(chunk, self.sets.synthetic.value_range).result())
        return np.concatenate(parts)


def measure(
    bench: Bench,
    weights: tuple[Path, str] | None,
    rows: NDArray[np.int64],
    seeds: list[int],
    record: Record,
    observer: Observer,
) -> None:
    """Train the estimators that the record does not have yet, and note their errors there.

    Args:
        bench: where.
        weights: file of the refiner and its hash; None measures unrefined images.
        rows: synthetic images that are refined.
        seeds: of the estimators.
        record: takes the results one by one.
        observer: is told of progress; may raise to stop.
    Raises:
        CheckpointError: the weights are not those of the record.
        DivergedError: an estimator became non-finite.
    """
    key = bench.key(weights[1] if weights else None, rows)
    held = record.measured.get(key, {"estimators": {}})
    missing = [seed for seed in seeds if str(seed) not in held["estimators"]]
    if not missing:
        return
    if weights is not None and digest(weights[0].read_bytes()) != weights[1]:
        raise CheckpointError(f"{weights[0]} is damaged (hash mismatch)")
    device = bench.precision.device
    with repeatable(bench.config.deterministic), on_device(device):
        with steady_threads(device):
            refined = bench.refined(weights[0] if weights else None, rows)
        held["images"] = len(rows)
        held["mean_abs_change"] = _mean_abs_change(bench.sets, refined, rows)
        labelled = _labelled(bench.sets, refined, rows)
        for seed in missing:
            refuse_to_go_on(bench.stop)
            held["estimators"][str(seed)] = _estimate(bench, labelled, seed, observer)
            record.measured[key] = held
            record.save()


def _estimate(bench: Bench, labelled: LabelledSet, seed: int, observer: Observer) -> dict[str, Any]:
    """Train one estimator, and only then look at the labels of the test set."""
    started = time.perf_counter()
    config = estimator_config(bench.config, seed)
    test, task = bench.sets.test, task_of(config)
    (arm,) = predict_test([labelled], None, test.images, config, bench.precision, observer)
    (fit,) = arm.fits
    return {
        "error": float(task.errors(arm.predictions.predicted, test.truth).mean()),
        "best_step": fit["best_step"],
        "validation_error": fit["validation_error"],
        "seconds": time.perf_counter() - started,
    }


def _labelled(sets: Sets, images: NDArray[Any], rows: NDArray[np.int64]) -> LabelledSet:
    """Refined images with the labels of the synthetic ones they were made of."""
    taken = as_estimator_takes(images)
    array = replace(
        sets.synthetic,
        images=taken,
        names=[sets.synthetic.names[row] for row in rows],
        labels={},
        fingerprint=fingerprint_of(taken),
    )
    persons = sets.labelled.persons
    return replace(
        sets.labelled,
        name="estimator",
        images=array,
        truth=sets.labelled.truth[rows],
        persons=None if persons is None else persons[rows],
    )


def _mean_abs_change(sets: Sets, refined: NDArray[Any], rows: NDArray[np.int64]) -> float:
    """Mean |R(x) - x| in units of [-1, 1], of stored values."""
    low, high = sets.synthetic.value_range
    total = 0.0
    for start in range(0, len(rows), CHUNK):
        before = sets.synthetic.images[rows[start : start + CHUNK]].astype(np.float64)
        total += float(np.abs(refined[start : start + CHUNK] - before).sum())
    return 2.0 / (high - low) * total / refined.size


def look_of(record: Record, key: str, seeds: list[int]) -> dict[str, Any] | None:
    """What was measured under a key, if all of these estimators were; else None."""
    held = record.measured.get(key)
    if held is None or any(str(seed) not in held["estimators"] for seed in seeds):
        return None
    chosen = [held["estimators"][str(seed)] for seed in seeds]
    return {
        "error": float(np.mean([one["error"] for one in chosen])),
        "images": held["images"],
        "mean_abs_change": held["mean_abs_change"],
        "estimators": [{"seed": s, **one} for s, one in zip(seeds, chosen, strict=True)],
    }
