"""Training one estimator on one set: fixed steps, batches by seed, the best step by validation."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.batches import Batches, Order
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DivergedError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import Vectors, angular_error
from simgan.engine.evaluation.gaze_estimator import GazeEstimator, euclidean_loss, standardized
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision

CHUNK = 1024  # images predicted at once


@dataclass(frozen=True)
class Labelled:
    """Rows of an image set with their gaze, for training or for choosing a step.

    Attributes:
        images: gray, 35x55.
        gaze: float64 [N, 3] of all images, unit vectors.
        rows: int64, the rows that count.
    """

    images: ImageArray
    gaze: Vectors
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """A trained estimator.

    Attributes:
        network: with the weights of its best step.
        best_step: of the least validation error.
        validation_error: there, mean degrees.
        history: (step, mean degrees) of every look at the validation set.
    """

    network: GazeEstimator
    best_step: int
    validation_error: float
    history: list[tuple[int, float]]


class RowOrder(Order):
    """The order of some rows of a set; equal for equal numbers of rows, seed and name.

    Args:
        rows: int64 [n] into the set.
        seed, name: as of `Order`.
    """

    def __init__(self, rows: NDArray[np.int64], seed: int, name: str) -> None:
        super().__init__(len(rows), seed, name)
        self._rows = torch.from_numpy(rows)

    def slice(self, position: int, length: int) -> Tensor:
        """Rows of the set, int64 [length]."""
        return self._rows[super().slice(position, length)]


class _Run:
    """One estimator in training: `update` is a step without a look at the host."""

    def __init__(
        self, training: Labelled, config: EvaluateConfig, seed: int, precision: Precision
    ) -> None:
        device = precision.device
        self.batches = Batches(training.images, seed=seed, name="estimator", device=device)
        self.batches.order = RowOrder(training.rows, seed, "estimator")
        self.network = new_estimator(config.size, seed, precision)
        self.loss_sum = torch.zeros((), device=device)
        self._targets = torch.from_numpy(training.gaze.astype(np.float32)).to(device)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=config.lr, fused=True)
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision.needs_scaler)
        self._config = config
        self._precision = precision

    def update(self) -> None:
        """One step of Adam on the next batch."""
        batch = self._config.batch
        rows = self.batches.order.slice(self.batches.position, batch)
        targets = self._targets.index_select(0, rows.to(self._targets.device, non_blocking=True))
        x = standardized(self.batches.next(batch), self._config.standardize)
        with self._precision.autocast():
            predicted = self.network(self._precision.images(x))
        loss = euclidean_loss(predicted.float(), targets)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.loss_sum += loss.detach()


def fit(
    training: Labelled,
    validation: Labelled,
    config: EvaluateConfig,
    seed: int,
    precision: Precision,
    observer: Observer,
) -> Fit:
    """Train for `config.steps` updates and keep the weights of the best validation error.

    Weights and batches depend on the seed and the number of images alone, so that arms of one size
    see their images in one order.

    Raises:
        DivergedError: the predictions became non-finite.
    """
    run = _Run(training, config, seed, precision)
    same = validation.images is training.images
    looked = run.batches if same else looked_at(validation.images, precision.device)
    history: list[tuple[int, float]] = []
    best, weights = (0, math.inf), run.network.state_dict()
    started, last = time.perf_counter(), 0
    try:
        for step in range(1, config.steps + 1):
            run.update()
            if step % config.validate_every and step != config.steps:
                continue
            error = validation_error(run.network, looked, validation, config, precision, step)
            history.append((step, error))
            if error < best[1]:
                best, weights = (step, error), copy.deepcopy(run.network.state_dict())
            metrics = {
                "step": step,
                "images_per_s": step * config.batch / (time.perf_counter() - started),
                "estimator_loss": float(run.loss_sum) / (step - last),
                "validation_error": error,
            }
            observer.tick(metrics)
            run.loss_sum.zero_()
            last = step
    finally:
        run.batches.close()
    run.network.load_state_dict(weights)
    return Fit(run.network, best[0], best[1], history)


def new_estimator(size: str, seed: int, precision: Precision) -> GazeEstimator:
    """A fresh estimator; its weights depend on size and seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GazeEstimator(size)
    precision.module(network)
    return network


def validation_error(
    network: GazeEstimator,
    batches: Batches,
    validation: Labelled,
    config: EvaluateConfig,
    precision: Precision,
    step: int,
) -> float:
    """Mean angular error in degrees on the rows to validate on."""
    predicted = predict(network, batches, validation.rows, config, precision)
    if not np.isfinite(predicted).all() or not predicted.any(axis=1).all():
        raise DivergedError(
            f"the estimator's predictions are not finite at step {step}", fix="Lower --lr."
        )
    return float(angular_error(predicted, validation.gaze[validation.rows]).mean())


def predict(
    network: GazeEstimator,
    batches: Batches,
    rows: NDArray[np.int64],
    config: EvaluateConfig,
    precision: Precision,
) -> NDArray[np.float32]:
    """Gaze vectors float32 [n, 3], of any length, of some rows of a set."""
    parts = []
    with torch.inference_mode():
        for x in standardized_images(batches, rows, config.standardize):
            with precision.autocast():
                parts.append(network(precision.images(x)).float())
    predicted: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return predicted


def standardized_images(batches: Batches, rows: NDArray[np.int64], rule: str) -> Iterator[Tensor]:
    """The rows of a set as the estimator sees them, float [n, 1, 35, 55], some at a time."""
    for start in range(0, len(rows), CHUNK):
        yield standardized(batches.pick(rows[start : start + CHUNK].tolist()), rule)


def looked_at(images: ImageArray, device: torch.device) -> Batches:
    """The images of a set for `predict`, on the device where they fit."""
    return Batches(images, seed=0, name="", device=device)
