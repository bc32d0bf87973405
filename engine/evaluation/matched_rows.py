"""Rows of a training set that `--match-labels` leaves, and how often each is drawn."""

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.batches import copies
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import to_angles
from simgan.engine.evaluation.labelled_set import LEAST, LabelledSet
from simgan.engine.label_matching.request import Range, parse_request
from simgan.engine.label_matching.weights_file import read_weights

Weights = NDArray[np.float64]
Rows = NDArray[np.int64]


def arm_weights(arm: LabelledSet, config: EvaluateConfig) -> Weights | None:
    """A weight for each image of an arm, or None where all count alike.

    Raises:
        DataError: the file has not one weight for each image, or too few images are left.
    """
    if config.match_labels is None:
        return None
    request = parse_request(config.match_labels)
    if request.kind == "ranges":
        weights = _inside(arm, request.ranges, config)
    else:
        try:
            weights = read_weights(request.path, arm.images)
        except DataError as error:
            raise DataError(error.what, where=f"{arm.name}: {arm.images.location}") from None
    left = int((weights > 0).sum())
    if left < LEAST["train"]:
        raise DataError(
            f"{arm.name}: match_labels leaves {left} of {len(arm):,} images, at least "
            f"{LEAST['train']} are needed",
            where=arm.images.location,
        )
    return weights


def _inside(arm: LabelledSet, ranges: tuple[Range, ...], config: EvaluateConfig) -> Weights:
    if config.task != "gaze" or not {item.name for item in ranges} <= {"pitch", "yaw"}:
        raise ConfigError(
            "match_labels of an evaluation takes ranges of pitch and yaw, for --task gaze; "
            f"got {config.match_labels!r}"
        )
    pitch, yaw = np.degrees(to_angles(arm.truth)).T
    inside = np.ones(len(arm), bool)
    for item in ranges:
        values = pitch if item.name == "pitch" else yaw
        inside &= (values >= item.low) & (values <= item.high)
    return inside.astype(np.float64)


def kept_rows(rows: Rows, weights: Weights | None) -> Rows:
    """Those of some rows that have a weight; all where none of them has."""
    if weights is None or not weights[rows].any():
        return rows
    return rows[weights[rows] > 0]


def drawn_rows(rows: Rows, weights: Weights | None) -> Rows:
    """As many rows as have a weight, each as often as its weight says."""
    if weights is None or not weights[rows].any():
        return rows
    left = kept_rows(rows, weights)
    return np.repeat(left, copies(weights[left], start=0.5))
