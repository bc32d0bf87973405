"""Which labels of a set are the joints of its hands; nothing is guessed.

Names, in the order they are looked for: what `label` names; BASE_y of an image array BASE_x;
`joints`; the columns joints_0_0, joints_0_1, ... that joints become in the table of a refined
folder. There are 14 joints, or the 36 of NYU, of which the 14 are taken (see
`engine.data.hand_joints`), as (u, v) or (u, v, depth) in px of the stored images, (0, 0) being the
middle of the top left pixel; depth is not judged.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.hand_joints import ALL_OF_NYU, JOINTS, OF_NYU
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze_labels import persons_of
from simgan.engine.evaluation.hand.heatmaps import SIDE
from simgan.engine.evaluation.task import TaskLabels, Truth

Labels = Mapping[str, NDArray[Any]]
IN_PX = ("nyu-hand", "nyu-hand-crops", "procedural-hands")
FLAT = {
    joints * numbers: (joints, numbers)
    for joints in (len(JOINTS), ALL_OF_NYU)
    for numbers in (2, 3)
}
COLUMN = re.compile(r"joints_\d+_\d+")
MOST_OUTSIDE = 0.5  # of the joints; more, and they belong to other images


def read_joints(source: Source, label: str | None, unit: str | None) -> TaskLabels:
    """Find the joints of a set, float64 [N, 14, 2] px.

    Args:
        source: the set.
        label: NAME that the user gave; used where the set has it.
        unit: "px" that the user gave; needed where no value is above 1.
    Raises:
        DataError: there are no joints, or not 14 or 36, or they do not look like px.
    """
    labels = source.labels
    key = getattr(source, "key", None)
    name, values = _find(labels, key, label)
    if values.ndim == 2 and values.shape[1] in FLAT:
        values = values.reshape(-1, *FLAT[values.shape[1]])
    good = values.ndim == 3 and values.shape[1] in (len(JOINTS), ALL_OF_NYU)
    if not good or values.shape[2] not in (2, 3):
        raise DataError(
            f"joints must be [N, {len(JOINTS)}, 2 or 3] or NYU's [N, {ALL_OF_NYU}, 2 or 3], "
            f"{name} is {list(values.shape)}"
        )
    taken = "14 joints"
    if values.shape[1] == ALL_OF_NYU:
        values, taken = values[:, list(OF_NYU)], "14 of NYU's 36 joints"
    places = values[..., :2].astype(np.float64)
    if not np.isfinite(places).all():
        count = int((~np.isfinite(places).all(axis=(1, 2))).sum())
        raise DataError(f"{name} holds NaN or infinity in {count:,} of {len(places):,} rows")
    declared = "px" if source.format in IN_PX and name == "joints" else None
    if unit not in (None, "px"):
        raise DataError(f"{name} holds joints; label_unit {unit} is for gaze")
    if declared is None and unit is None and np.abs(places).max() <= 1:
        raise DataError(
            f"{name} does not look like px: no value is above {np.abs(places).max():.2f}",
            fix="Joints in px are expected; if these are, say --label-unit px.",
        )
    return TaskLabels(name, places, persons_of(labels, key), f"joints: {name}, {taken}, px")


def _find(labels: Labels, key: str | None, label: str | None) -> tuple[str, NDArray[Any]]:
    base = key[:-1] if key is not None and f"_{key}".endswith("_x") else None
    wanted = [label] if label is not None else []
    wanted += [f"{base}y"] if base is not None else []
    for name in (*wanted, "joints"):
        if name in labels:
            return name, labels[name]
    columns = [name for name in labels if COLUMN.fullmatch(name)]
    if len(columns) in FLAT:
        return "joints_0_0, ...", np.stack([labels[name] for name in columns], axis=1)
    have = ", ".join(labels) or "no labels at all"
    raise DataError(
        f"no joints of hands; the set has {have}",
        fix=f"Looked for {', '.join((*wanted, 'joints'))}. Name another with --label.",
    )


def truth_of(values: NDArray[Any], height: int, width: int) -> Truth:
    """Joints [N, 14, 2] in px of images of (height, width) -> px of 224x224.

    Raises:
        DataError: the images are not square, or most joints lie outside of them.
    """
    if height != width:
        raise DataError(
            f"images of hands must be square, got {height}x{width}",
            fix="Cut them to the hand; for NYU frames set data.crop=joints or depth.",
        )
    places: Truth = (values.astype(np.float64) + 0.5) * (SIDE / width) - 0.5
    outside = ((places < -0.5) | (places > SIDE - 0.5)).any(axis=-1).mean()
    if outside > MOST_OUTSIDE:
        raise DataError(
            f"{outside:.0%} of the joints lie outside of the images of {height}x{width}",
            fix="They seem to belong to images of another size.",
        )
    return places


def spread_of(truth: Truth) -> str:
    """Where the joints are and how far they reach, for people."""
    low, high = truth.min(axis=1), truth.max(axis=1)
    middle, reach = ((low + high) / 2).mean(axis=0), (high - low).mean()
    return f"hands around ({middle[0]:.0f}, {middle[1]:.0f}) of {reach:.0f} px in 224x224"
