"""Simple estimators beside the network, so that its numbers have company (the paper's table)."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from simgan.engine.data.packing import ImageArray
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.task import Truth
from simgan.engine.evaluation.tasks import task_of
from simgan.engine.evaluation.training import Labelled, looked_at, seen_images

NEIGHBOURS = (1, 3, 10, 30, 100)
ALPHAS = tuple(10.0**power for power in range(6))
MOST = 20_000  # training images; neighbours of more take minutes and say little more
CPU = torch.device("cpu")

Pixels = NDArray[np.float32]
Predict = Callable[[Pixels], NDArray[Any]]


@dataclass(frozen=True)
class Baseline:
    """Predictions of a simple estimator.

    Attributes:
        name: `mean`, `kNN` or `ridge`.
        setting: what validation chose, for example `k = 10`.
        count: images it was trained on.
        predicted: [N, ...] of the test images.
    """

    name: str
    setting: str
    count: int
    predicted: NDArray[np.float64]


def installed() -> bool:
    """Whether scikit-learn is there, for the ones on pixels."""
    return importlib.util.find_spec("sklearn") is not None


def mean_label(training: Labelled, test: ImageArray) -> Baseline:
    """The mean of the training labels, whatever the image."""
    mean = training.truth[training.rows].mean(axis=0)
    return Baseline("mean", "", len(training.rows), np.stack([mean] * len(test)))


def on_pixels(
    training: Labelled, validation: Labelled, test: ImageArray, config: EvaluateConfig
) -> list[Baseline]:
    """k nearest neighbours and ridge regression on the pixels that the estimator sees.

    k and alpha are those of the least validation error. Needs scikit-learn (see `installed`). Of
    more than 20,000 training images an even selection is used.
    """
    rows = training.rows
    if len(rows) > MOST:
        rows = rows[np.linspace(0, len(rows) - 1, MOST).round().astype(np.int64)]
    x, y = _pixels(training.images, rows, config), training.truth[rows].reshape(len(rows), -1)
    chosen_by = _pixels(validation.images, validation.rows, config)
    truth = validation.truth[validation.rows]
    errors_of = task_of(config).errors
    tested = _pixels(test, np.arange(len(test)), config)
    found = []
    for name, symbol, fitted in (("kNN", "k", _neighbours(x, y)), ("ridge", "alpha", _ridge(x, y))):
        errors = {
            value: float(errors_of(predict(chosen_by).reshape(truth.shape), truth).mean())
            for value, predict in fitted.items()
        }
        best = min(errors, key=errors.__getitem__)
        predicted = np.asarray(fitted[best](tested), np.float64)
        predicted = predicted.reshape(-1, *truth.shape[1:])
        found.append(Baseline(name, f"{symbol} = {best:g}", len(rows), predicted))
    return found


def _neighbours(x: Pixels, y: Truth) -> dict[float, Predict]:
    from sklearn.neighbors import KNeighborsRegressor

    return {
        k: KNeighborsRegressor(k, algorithm="brute").fit(x, y).predict
        for k in NEIGHBOURS
        if k <= len(x)
    }


def _ridge(x: Pixels, y: Truth) -> dict[float, Predict]:
    from sklearn.linear_model import Ridge

    return {alpha: Ridge(alpha).fit(x, y).predict for alpha in ALPHAS}


def _pixels(images: ImageArray, rows: NDArray[np.int64], config: EvaluateConfig) -> Pixels:
    batches, pixels = looked_at(images, CPU), task_of(config).pixels
    parts = [pixels(x).numpy() for x in seen_images(batches, rows, config)]
    return np.concatenate(parts)
