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
from simgan.engine.evaluation.gaze import angular_error
from simgan.engine.evaluation.training import Labelled, looked_at, standardized_images

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
        predicted: [N, 3] of the test images.
    """

    name: str
    setting: str
    count: int
    predicted: NDArray[np.float64]


def installed() -> bool:
    """Whether scikit-learn is there, for the ones on pixels."""
    return importlib.util.find_spec("sklearn") is not None


def mean_gaze(training: Labelled, test: ImageArray) -> Baseline:
    """The mean training gaze, whatever the image."""
    mean = training.gaze[training.rows].mean(axis=0)
    return Baseline("mean", "", len(training.rows), np.tile(mean, (len(test), 1)))


def on_pixels(
    training: Labelled, validation: Labelled, test: ImageArray, config: EvaluateConfig
) -> list[Baseline]:
    """k nearest neighbours and ridge regression on standardized pixels.

    k and alpha are those of the least validation error. Needs scikit-learn (see `installed`). Of
    more than 20,000 training images an even selection is used.
    """
    rows = training.rows
    if len(rows) > MOST:
        rows = rows[np.linspace(0, len(rows) - 1, MOST).round().astype(np.int64)]
    x, y = _pixels(training.images, rows, config), training.gaze[rows]
    chosen_by = _pixels(validation.images, validation.rows, config)
    truth = validation.gaze[validation.rows]
    tested = _pixels(test, np.arange(len(test)), config)
    found = []
    for name, symbol, fitted in (("kNN", "k", _neighbours(x, y)), ("ridge", "alpha", _ridge(x, y))):
        errors = {
            value: float(angular_error(predict(chosen_by), truth).mean())
            for value, predict in fitted.items()
        }
        best = min(errors, key=errors.__getitem__)
        predicted = np.asarray(fitted[best](tested), np.float64)
        found.append(Baseline(name, f"{symbol} = {best:g}", len(rows), predicted))
    return found


def _neighbours(x: Pixels, y: NDArray[np.float64]) -> dict[float, Predict]:
    from sklearn.neighbors import KNeighborsRegressor

    return {
        k: KNeighborsRegressor(k, algorithm="brute").fit(x, y).predict
        for k in NEIGHBOURS
        if k <= len(x)
    }


def _ridge(x: Pixels, y: NDArray[np.float64]) -> dict[float, Predict]:
    from sklearn.linear_model import Ridge

    return {alpha: Ridge(alpha).fit(x, y).predict for alpha in ALPHAS}


def _pixels(images: ImageArray, rows: NDArray[np.int64], config: EvaluateConfig) -> Pixels:
    batches = looked_at(images, CPU)
    parts = [x.flatten(1).numpy() for x in standardized_images(batches, rows, config.standardize)]
    return np.concatenate(parts)
