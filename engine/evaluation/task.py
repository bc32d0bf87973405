"""What an evaluation has to know of a task: its labels, its estimator, its errors and their names.

Everything else - seeds, order, choice of the step, statistics, tables, files - is the same for
every task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simgan.engine.data.source import Source
from simgan.engine.evaluation.config import EvaluateConfig

Truth = NDArray[np.float64]
Errors = NDArray[np.float64]
Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TaskLabels:
    """The labels of a set that a task is about.

    Attributes:
        names: of the labels in the set, comma-separated.
        values: [N, ...], what is to be estimated of each image.
        persons: int64 or text [N], or None when the set does not say whose images they are.
        description: names, unit and how it was recognised, for people.
    """

    names: str
    values: NDArray[Any]
    persons: NDArray[Any] | None
    description: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing that estimators can be trained for.

    Attributes:
        label: name that the truth has while it travels with its images through packing; points in
            px follow a resize only under the names that `packing.POINT_LABELS` lists.
        size: (height, width) that images are brought to in packing, or None: as they are stored.
        read: finds the labels of a source; second and third are the user's `label` and unit.
        truth: the labels [N, ...] of packed images of (height, width) as they are judged.
        spread: range of the truth, for people; sets that differ in it are the commonest trap.
        network: a fresh estimator of `config.size`.
        augmentation: the random change of training images [N, 1, H, W] in [-1, 1] and their truth
            (float32, on the device), by config, seed and device.
        seen: images in [-1, 1] as the estimator sees them.
        pixels: of what is seen, the vector [N, D] that simple estimators are given.
        chunk: images predicted at once, at most.
        loss: of the estimator's output (float32) and the truth, a scalar.
        decoded: of the estimator's output (float32) the prediction [N, ...], on the device.
        fault: what is wrong with predictions, or None.
        errors: of predictions [..., N, ...] and the truth, [..., N], or [..., N, P] for images that
            have several parts.
        error: what an error is called.
        unit: of an error, and its sign after a number.
        metric: name of the mean error on the validation set among the metrics of training.
        counted: what a share "within d" is a share of.
        named: values of d that are quoted.
        compared: those of them whose share is compared between arms, besides the mean error.
        curve_step: distance of the points of the cumulative curve.
        parts, parts_name: name of each part, and what they are called; empty without parts.
        note: what has to be said about the figures.
    """

    label: str
    size: tuple[int, int] | None
    read: Callable[[Source, str | None, str | None], TaskLabels]
    truth: Callable[[NDArray[Any], int, int], Truth]
    spread: Callable[[Truth], str]
    network: Callable[[str], nn.Module]
    augmentation: Callable[[EvaluateConfig, int, torch.device], Augment]
    seen: Callable[[Tensor, EvaluateConfig], Tensor]
    pixels: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    decoded: Callable[[Tensor], Tensor]
    fault: Callable[[NDArray[np.float32]], str | None]
    errors: Callable[[NDArray[Any], Truth], Errors]
    error: str
    unit: str
    sign: str
    metric: str
    counted: str
    named: tuple[int, ...]
    compared: tuple[int, ...] = ()
    curve_step: float
    parts: tuple[str, ...] = ()
    parts_name: str = ""
    note: str = ""
    chunk: int = 1024
