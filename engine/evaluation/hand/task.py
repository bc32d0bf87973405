"""The task: depth images of hands in, 14 joints out, errors in px of a 224x224 image."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from simgan.engine.data.hand_joints import JOINTS
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze_estimator import standardized
from simgan.engine.evaluation.hand.heatmaps import decoded, map_loss
from simgan.engine.evaluation.hand.hourglass import SIZES, HandEstimator
from simgan.engine.evaluation.hand.labels import read_joints, spread_of, truth_of
from simgan.engine.evaluation.hand.warp import Warp, resized
from simgan.engine.evaluation.task import Augment, Errors, Task, Truth

DEGREES = 20.0  # the paper's
CROP = 0.1  # the paper says crops, and not how much
PIXELS = 32  # side of the images that simple estimators are given


def _augmentation(config: EvaluateConfig, seed: int, device: torch.device) -> Augment:
    degrees = DEGREES if config.rotate is None else config.rotate
    crop = CROP if config.crop is None else config.crop
    return Warp(degrees, crop, SIZES[config.size].side, seed, device)


def _seen(x: Tensor, config: EvaluateConfig) -> Tensor:
    return standardized(resized(x, SIZES[config.size].side), config.standardize)


def _pixels(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, PIXELS).flatten(1)


def _last(maps: Tensor) -> Tensor:
    return decoded(maps[:, -1])


def _fault(predicted: NDArray[np.float32]) -> str | None:
    return None if np.isfinite(predicted).all() else "the estimator's heat maps are not finite"


def joint_error(predicted: NDArray[Any], true: Truth) -> Errors:
    """Distances [..., N, J] in px between joints [..., N, J, 2]."""
    distance: Errors = np.linalg.norm(np.asarray(predicted, np.float64) - true, axis=-1)
    return distance


HAND = Task(
    label="joints",
    size=None,
    read=read_joints,
    truth=truth_of,
    spread=spread_of,
    network=HandEstimator,
    augmentation=_augmentation,
    seen=_seen,
    pixels=_pixels,
    loss=map_loss,
    decoded=_last,
    fault=_fault,
    errors=joint_error,
    error="joint error",
    unit="px",
    sign=" px",
    metric="validation_error_px",
    counted="joints",
    named=(5, 10),  # the paper's figure is the share within 5 px
    compared=(5,),
    curve_step=0.25,
    parts=JOINTS,
    parts_name="joints",
    chunk=64,  # 0.5 GB for each of the largest maps of the paper's size
    note="px are those of a 224x224 image, whatever the size of the images",
)
