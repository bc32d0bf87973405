"""Gaze as a task of `evaluate`: eyes of 35x55 in, unit vectors out, errors in degrees."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.source import Source
from simgan.engine.evaluation.augmentation import Augmentation
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import Vectors, angular_error, to_angles
from simgan.engine.evaluation.gaze_estimator import (
    HEIGHT,
    WIDTH,
    euclidean_loss,
    gaze_network,
    standardized,
)
from simgan.engine.evaluation.gaze_labels import read_gaze
from simgan.engine.evaluation.task import Augment, Task, TaskLabels


def _read(source: Source, label: str | None, unit: str | None) -> TaskLabels:
    key = getattr(source, "key", None)
    gaze = read_gaze(source.labels, format=source.format, key=key, label=label, unit=unit)
    return TaskLabels(gaze.names, gaze.vectors, gaze.persons, f"gaze: {gaze.description}")


def _vectors(values: NDArray[Any], height: int, width: int) -> Vectors:
    """Unit vectors [N, 3], whatever the size of the images."""
    return values.astype(np.float64, copy=False)


def _spread(vectors: Vectors) -> str:
    low, high = (np.degrees(edge(to_angles(vectors), axis=0)) for edge in (np.min, np.max))
    return f"pitch {low[0]:.0f} to {high[0]:.0f}, yaw {low[1]:.0f} to {high[1]:.0f} degrees"


def _augmentation(config: EvaluateConfig, seed: int, device: torch.device) -> Augment:
    change = Augmentation(config.shift, config.jitter, seed, device)
    return lambda x, gaze: (change(x), gaze)


def _seen(x: Tensor, config: EvaluateConfig) -> Tensor:
    return standardized(x, config.standardize)


def _pixels(x: Tensor) -> Tensor:
    return x.flatten(1)


def _same(output: Tensor) -> Tensor:
    return output


def _fault(predicted: NDArray[np.float32]) -> str | None:
    if np.isfinite(predicted).all() and predicted.any(axis=1).all():
        return None
    return "the estimator predicts what is no direction"


GAZE = Task(
    label="gaze",
    size=(HEIGHT, WIDTH),
    read=_read,
    truth=_vectors,
    spread=_spread,
    network=gaze_network,
    augmentation=_augmentation,
    seen=_seen,
    pixels=_pixels,
    loss=euclidean_loss,
    decoded=_same,
    fault=_fault,
    errors=angular_error,
    error="angular error",
    unit="degrees",
    sign="\u00b0",
    metric="validation_error",
    counted="test images",
    named=(7, 13),  # the paper's text says 7; its own curve has those values near 13
    curve_step=0.25,
)
