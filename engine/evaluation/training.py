"""Training one estimator on one set: fixed steps, batches by seed, the best step by validation."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simgan.engine.data.batches import Batches, Order
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DivergedError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.task import Task, Truth
from simgan.engine.evaluation.tasks import task_of
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision

SIGN_OF_LIFE_S = 5.0


@dataclass(frozen=True)
class Labelled:
    """Rows of an image set with their truth, for training or for choosing a step.

    Attributes:
        images: gray.
        truth: float64 [N, ...] of all images, what the task estimates.
        rows: int64, the rows that count.
    """

    images: ImageArray
    truth: Truth
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """A trained estimator.

    Attributes:
        network: with the weights of its best step.
        best_step: of the least validation error.
        validation_error: there, the mean in the task's unit.
        history: (step, mean error) of every look at the validation set.
    """

    network: nn.Module
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
        device, task = precision.device, task_of(config)
        self.batches = Batches(training.images, seed=seed, name="estimator", device=device)
        self.batches.order = RowOrder(training.rows, seed, "estimator")
        self.network = new_estimator(task, config.size, seed, precision)
        self.loss_sum = torch.zeros((), device=device)
        self._step = 0
        self._targets = torch.from_numpy(training.truth.astype(np.float32)).to(device)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=config.lr, fused=True)
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision.needs_scaler)
        self._augment = task.augmentation(config, seed, device)
        self._task = task
        self._config = config
        self._precision = precision

    def update(self) -> None:
        """One step of Adam on the next batch."""
        batch = self._config.batch
        rows = self.batches.order.slice(self.batches.position, batch)
        targets = self._targets.index_select(0, rows.to(self._targets.device, non_blocking=True))
        x, targets = self._augment(self.batches.next(batch), targets)
        x = self._task.seen(x, self._config)
        with self._precision.autocast():
            predicted = self.network(self._precision.images(x))
        loss = self._task.loss(predicted.float(), targets)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._config, self._step)
        self._step += 1
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.loss_sum += loss.detach()


class _Watch:
    """Tells the observer how one training goes; asks the device for nothing between looks."""

    def __init__(self, config: EvaluateConfig, observer: Observer) -> None:
        self._config = config
        self._observer = observer
        self._metric = task_of(config).metric
        self._started = self._told = time.perf_counter()
        self._last = 0

    def between(self, step: int) -> None:
        """A sign of life where looks at the validation set are far apart."""
        if time.perf_counter() - self._told > SIGN_OF_LIFE_S:
            self._tell(step, {})

    def looked(self, step: int, loss_sum: Tensor, error: float) -> None:
        """The metrics since the last look; clears the sum of losses."""
        loss = float(loss_sum) / (step - self._last)
        self._tell(step, {"estimator_loss": loss, self._metric: error})
        loss_sum.zero_()
        self._last = step

    def _tell(self, step: int, metrics: dict[str, float]) -> None:
        self._told = time.perf_counter()
        pace = (self._told - self._started) / step
        left = (self._config.steps - step) * pace
        speed = self._config.batch / pace
        self._observer.tick({"step": step, "images_per_s": speed, "eta_s": left, **metrics})


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
    watch = _Watch(config, observer)
    try:
        for step in range(1, config.steps + 1):
            run.update()
            if step % config.validate_every and step != config.steps:
                watch.between(step)
                continue
            error = validation_error(run.network, looked, validation, config, precision, step)
            history.append((step, error))
            if error < best[1]:
                best, weights = (step, error), copy.deepcopy(run.network.state_dict())
            watch.looked(step, run.loss_sum, error)
    finally:
        run.batches.close()
    run.network.load_state_dict(weights)
    return Fit(run.network, best[0], best[1], history)


def learning_rate(config: EvaluateConfig, step: int) -> float:
    """The rate of a step, counted from 0."""
    if config.schedule == "constant":
        return config.lr
    return 0.5 * config.lr * (1 + math.cos(math.pi * step / config.steps))


def new_estimator(task: Task, size: str, seed: int, precision: Precision) -> nn.Module:
    """A fresh estimator; its weights depend on task, size and seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = task.network(size)
    precision.module(network)
    return network


def validation_error(
    network: nn.Module,
    batches: Batches,
    validation: Labelled,
    config: EvaluateConfig,
    precision: Precision,
    step: int,
) -> float:
    """Mean error on the rows to validate on, in the task's unit."""
    try:
        predicted = predict(network, batches, validation.rows, config, precision)
    except DivergedError as error:
        raise DivergedError(f"{error.what} at step {step}", fix=error.fix) from None
    return float(task_of(config).errors(predicted, validation.truth[validation.rows]).mean())


def predict(
    network: nn.Module,
    batches: Batches,
    rows: NDArray[np.int64],
    config: EvaluateConfig,
    precision: Precision,
) -> NDArray[np.float32]:
    """Predictions float32 [n, ...] of some rows of a set.

    Raises:
        DivergedError: one cannot be: it is not finite, or a gaze of no direction.
    """
    task, parts = task_of(config), []
    trains = network.training
    network.eval()
    with torch.inference_mode():
        for x in seen_images(batches, rows, config):
            with precision.autocast():
                output = network(precision.images(x))
            parts.append(task.decoded(output.float()))
    network.train(trains)
    predicted: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    if fault := task.fault(predicted):
        raise DivergedError(fault, fix="Lower --lr.")
    return predicted


def seen_images(
    batches: Batches, rows: NDArray[np.int64], config: EvaluateConfig
) -> Iterator[Tensor]:
    """The rows of a set as the estimator sees them, float [n, 1, H, W], some at a time."""
    task = task_of(config)
    for start in range(0, len(rows), task.chunk):
        yield task.seen(batches.pick(rows[start : start + task.chunk].tolist()), config)


def looked_at(images: ImageArray, device: torch.device) -> Batches:
    """The images of a set for `predict`, on the device where they fit."""
    return Batches(images, seed=0, name="", device=device)
