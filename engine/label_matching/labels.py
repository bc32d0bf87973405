"""The labels of a set as numbers that can be compared with those of another set."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import ImageArray
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze import to_angles
from simgan.engine.evaluation.gaze_labels import read_gaze
from simgan.engine.label_matching.distribution import Values

GAZE = ("pitch", "yaw")


class LabelValues(NamedTuple):
    """Labels in columns.

    Attributes:
        names: of the D columns.
        values: float64 [N, D]; pitch and yaw in degrees, others as they are stored.
        description: where they come from, and in which unit they were.
    """

    names: tuple[str, ...]
    values: Values
    description: str


def gaze_values(labels: dict[str, NDArray[Any]], format: str, location: str) -> LabelValues:
    """Pitch and yaw, in degrees, of a set.

    Args:
        labels: arrays [N, ...] of the set.
        format, location: of the set; `FILE#eyes_x` names the array whose labels are `eyes_y`.
    Raises:
        DataError: it has no gaze, or in an unknown unit.
    """
    key = location.rpartition("#")[2] if "#" in location else None
    try:
        gaze = read_gaze(labels, format=format, key=key)
    except DataError as error:
        raise DataError(
            f"match_labels: {error.what}",
            where=location,
            fix="Name the columns pitch_deg and yaw_deg (or _rad), or give --match-labels a file "
            "of weights.",
        ) from None
    return LabelValues(GAZE, np.degrees(to_angles(gaze.vectors)), gaze.description)


def named_values(array: ImageArray, names: tuple[str, ...]) -> LabelValues:
    """The columns that ranges name: gaze in degrees, or labels [N] as they are stored.

    Raises:
        DataError: the set has no such label.
    """
    if set(names) <= set(GAZE):
        gaze = gaze_values(array.labels, array.format, array.location)
        chosen = [GAZE.index(name) for name in names]
        return LabelValues(names, gaze.values[:, chosen], gaze.description)
    have = sorted(k for k, v in array.labels.items() if v.ndim == 1 and v.dtype.kind in "fiub")
    unknown = [name for name in names if name not in have]
    if unknown:
        raise DataError(
            f"match_labels: the synthetic set has no label {unknown[0]!r}, one number for each "
            "image",
            where=array.location,
            fix=f"It has {', '.join(have) or 'none'}; pitch and yaw where gaze is known.",
        )
    columns = [array.labels[name].astype(np.float64) for name in names]
    return LabelValues(names, np.stack(columns, axis=1), "as stored")


def set_values(path: str, policy: DataPolicy) -> LabelValues:
    """Pitch and yaw of a labelled set whose distribution is to be followed.

    Raises:
        DataError: it cannot be read or has no gaze.
    """
    source = open_source(path, policy)
    key = getattr(source, "key", None)
    location = path if "#" in path or key is None else f"{path}#{key}"
    return gaze_values(source.labels, source.format, location)
