"""The labels of a set as numbers that can be compared with those of another set."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import ImageArray
from simgan.engine.data.source import Source
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


def gaze_values(images: ImageArray | Source, key: str | None = None) -> LabelValues:
    """Pitch and yaw, in degrees, of a set.

    Args:
        images: with labels [N, ...]; of `FILE#eyes_x`, those of the array `eyes_y`.
        key: of the image array, where the location does not name it.
    Raises:
        DataError: it has no gaze, or in an unknown unit.
    """
    location = images.location
    key = location.rpartition("#")[2] if "#" in location else getattr(images, "key", key)
    try:
        gaze = read_gaze(images.labels, format=images.format, key=key)
    except DataError as error:
        raise DataError(
            f"match_labels: {error.what}",
            where=location,
            fix="Name the columns pitch_deg and yaw_deg (or _rad), the images FILE#KEY where a "
            "file has several arrays, or give --match-labels a file of weights.",
        ) from None
    return LabelValues(GAZE, np.degrees(to_angles(gaze.vectors)), gaze.description)


def named_values(
    images: ImageArray | Source, names: tuple[str, ...], key: str | None = None
) -> LabelValues:
    """The columns that ranges name: gaze in degrees, or labels [N] as they are stored.

    Raises:
        DataError: the set has no such label.
    """
    gaze = gaze_values(images, key) if set(names) & set(GAZE) else None
    columns = []
    for name in names:
        if gaze is not None and name in GAZE:
            columns.append(gaze.values[:, GAZE.index(name)])
        else:
            columns.append(_stored(images, name))
    unit = "as stored" if gaze is None else gaze.description
    return LabelValues(names, np.stack(columns, axis=1), unit)


def _stored(images: ImageArray | Source, name: str) -> NDArray[np.float64]:
    have = sorted(k for k, v in images.labels.items() if v.ndim == 1 and v.dtype.kind in "fiub")
    if name not in have:
        raise DataError(
            f"match_labels: the synthetic set has no label {name!r}, one number for each image",
            where=images.location,
            fix=f"It has {', '.join(have) or 'none'}; pitch and yaw where gaze is known.",
        )
    return images.labels[name].astype(np.float64)


def set_values(path: str, policy: DataPolicy) -> LabelValues:
    """Pitch and yaw of a labelled set whose distribution is to be followed.

    Raises:
        DataError: it cannot be read or has no gaze.
    """
    return gaze_values(open_source(path, policy))
