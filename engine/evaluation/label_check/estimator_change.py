"""What refining does to an estimator that has seen synthetic images only.

Its error on held-out synthetic images is compared with that on their refined copies. Labels that
moved raise it, and so does a look that the estimator does not know: a large change accuses nobody,
a small one clears both.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.batches import Order
from simgan.engine.data.packing import ImageArray
from simgan.engine.data.pixels import convert_channels, resize
from simgan.engine.errors import DataError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import angular_error
from simgan.engine.evaluation.gaze_estimator import HEIGHT, WIDTH
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig
from simgan.engine.evaluation.label_check.pairs import LEAST, Pairs
from simgan.engine.evaluation.labelled_set import LabelledSet, load_set, split_rows
from simgan.engine.evaluation.statistics import compare
from simgan.engine.evaluation.training import Labelled, fit, looked_at, predict
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision, on_device, pick_device

HELD_SHARE = 1 / 3  # of the synthetic set, at most, that is held out
LEAST_TRAINED = 40  # images


@dataclass(frozen=True)
class EstimatorChange:
    """Errors of estimators trained on synthetic images only.

    Attributes:
        rows: int64 [M], which of the pairs were held out.
        synthetic, refined: degrees [S, M], errors by seed on the held-out images and their copies.
        moved: degrees [S, M] between the two predictions.
        trained_on: images.
        label: which labels were used.
    """

    rows: NDArray[np.int64]
    synthetic: NDArray[np.float64]
    refined: NDArray[np.float64]
    moved: NDArray[np.float64]
    trained_on: int
    label: str

    def report(self, confidence: float) -> dict[str, Any]:
        """Mean errors and their difference, above 0 where refining raises the error.

        The interval is that of `statistics.compare`: seeds and images random.
        """
        units = np.arange(len(self.rows))
        found = compare(self.refined, self.synthetic, units, confidence)
        plain = {"value": found.difference.value, "low": found.difference.low,
                 "high": found.difference.high}  # fmt: skip
        return {
            "images": len(self.rows),
            "trained_on": self.trained_on,
            "seeds": len(self.synthetic),
            "label": self.label,
            "error_synthetic": float(self.synthetic.mean()),
            "error_refined": float(self.refined.mean()),
            "change": plain,
            "p": found.p,
        }


def estimator_change(
    pairs: Pairs, config: CheckLabelsConfig, observer: Observer
) -> EstimatorChange:
    """Train on synthetic images, some of the pairs held out, and predict those and their copies.

    Raises:
        DataError: the set has no usable gaze labels, or too few images.
    """
    settings = _settings(pairs, config)
    everything = load_set(pairs.source.location, "train", "estimator", settings, observer)
    held, rows = _held_out(pairs, everything.images.names)
    others = np.setdiff1d(np.arange(len(everything)), held)
    if len(others) < LEAST_TRAINED or len(held) < LEAST:
        raise DataError(
            f"{len(others):,} synthetic images are left to train an estimator and {len(held):,} to "
            f"test it; at least {LEAST_TRAINED} and {LEAST} are needed"
        )
    order = Order(len(others), config.seed, "check-labels").epoch(0).numpy()
    train, validate, _ = split_rows(len(others), None, settings.validation_share, order)
    training = Labelled(everything.images, everything.truth, others[train])
    chooser = Labelled(everything.images, everything.truth, others[validate])
    copies = _as_array(pairs.refined[rows], everything)
    device = pick_device(config.device)
    precision = Precision.choose(device, amp=False, channels_last=False)
    gaze = everything.truth[held]
    found: list[list[NDArray[np.float64]]] = []
    with on_device(device):
        images, refined = (looked_at(array, device) for array in (everything.images, copies))
        for seed in range(config.seed, config.seed + config.estimator_seeds):
            observer.phase(f"estimator, seed {seed}", config.estimator_steps, 0)
            network = fit(training, chooser, settings, seed, precision, observer).network
            before = predict(network, images, held, settings, precision)
            after = predict(network, refined, np.arange(len(rows)), settings, precision)
            errors = (angular_error(before, gaze), angular_error(after, gaze))
            found.append([*errors, angular_error(before, after)])
    synthetic, changed, moved = (np.stack(group) for group in zip(*found, strict=True))
    return EstimatorChange(rows, synthetic, changed, moved, len(training.rows), everything.label)


def _settings(pairs: Pairs, config: CheckLabelsConfig) -> EvaluateConfig:
    """The estimator's, in the words of `evaluate`; the images as they were opened for the pairs."""
    policy = replace(pairs.source.policy, size=None, channels="gray")
    return EvaluateConfig(
        size=config.estimator_size,
        steps=config.estimator_steps,
        batch=config.estimator_batch,
        seed=config.seed,
        label=config.label,
        label_unit=config.label_unit,
        device=config.device,
        data=policy,
    )


def _held_out(pairs: Pairs, names: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images to hold out, as rows of the synthetic set and of the pairs."""
    place = {name: row for row, name in enumerate(names)}
    known = [(place[name], row) for row, name in enumerate(pairs.names) if name in place]
    most = int(HELD_SHARE * len(names))
    spread = np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(np.int64)
    chosen = np.array(known, np.int64).reshape(-1, 2)[spread]
    return chosen[:, 0], chosen[:, 1]


def _as_array(images: NDArray[Any], like: LabelledSet) -> ImageArray:
    """Refined images as the estimator takes them, on the same scale as the synthetic ones."""
    gray = convert_channels(images, "gray")
    small = np.stack([resize(image, HEIGHT, WIDTH) for image in gray])
    names = [str(row) for row in range(len(small))]
    limits = like.images.value_range
    return ImageArray(small, names, {}, limits, "", "array", "refined")
