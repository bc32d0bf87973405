"""Rows of a training set that `--match-labels` leaves, and how often each is drawn."""

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.batches import copies
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import to_angles
from simgan.engine.evaluation.labelled_set import LEAST, LabelledSet
from simgan.engine.label_matching.distribution import effective_size
from simgan.engine.label_matching.request import Range, parse_request
from simgan.engine.label_matching.weights_file import UnfitWeightsError, read_weights
from simgan.engine.observer import Observer

Weights = NDArray[np.float64]
Rows = NDArray[np.int64]


def match_arms(
    arms: list[LabelledSet], config: EvaluateConfig, observer: Observer
) -> list[Weights | None]:
    """The weights [N] of each arm's images; None where all of them count alike.

    Ranges are for every arm. Weights of a file are for the arms that have its images, of which
    there must be one; others, as real images, stay as they are.

    Raises:
        DataError: the weights fit no arm, or too few images are left.
    """
    if config.match_labels is None:
        return [None] * len(arms)
    request = parse_request(config.match_labels)
    found: list[Weights | None] = []
    refused: list[UnfitWeightsError] = []
    for arm in arms:
        if request.kind == "ranges":
            weights = _inside(arm, request.ranges, config)
        else:
            try:
                weights = read_weights(request.path, arm.images)
            except UnfitWeightsError as error:
                refused.append(error)
                found.append(None)
                continue
        found.append(_checked(arm, weights))
        observer.message(
            f"{arm.name}: match_labels leaves {int((weights > 0).sum()):,} of {len(arm):,} images, "
            f"which count as {effective_size(weights):,.0f} equally drawn ones"
        )
    if len(refused) == len(arms):
        raise refused[0]
    for reason in refused:
        observer.warning(f"trained on all its images: {reason}".replace("\n", ", "))
    return found


def _checked(arm: LabelledSet, weights: Weights) -> Weights:
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


def drawn_rows(rows: Rows, weights: Weights | None) -> Rows:
    """As many rows as have a weight, each as often as its weight says; none where none has one."""
    if weights is None:
        return rows
    left = rows[weights[rows] > 0]
    return np.repeat(left, copies(weights[left], start=0.5)) if len(left) else left
