"""Which labels of a set are its gaze, in which unit, and whose eyes they are; nothing is guessed.

Names, in the order they are looked for: what `label` names; BASE_y of an image array BASE_x;
`gaze`; the columns `pitch` and `yaw` (also pitch_rad, pitch_deg, ...), or BASE_y_0 and BASE_y_1,
which BASE_y becomes in the table of a refined folder. Units: what the engine's own
readers call gaze is in radians; names that end in _rad or _deg say theirs; else numbers that can
only be one unit are taken for it, and said to be; everything else is asked for.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.labels import PERSONS
from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze import Vectors, to_vectors

Labels = Mapping[str, NDArray[Any]]
IN_RADIANS = ("unityeyes", "mpiigaze", "procedural-eyes")  # the readers convert to (pitch, yaw)
COLUMNS = {("pitch", "yaw"): None, ("pitch_rad", "yaw_rad"): "radians",
           ("pitch_deg", "yaw_deg"): "degrees", ("gaze_0", "gaze_1"): None}  # fmt: skip
LENGTH_TOLERANCE = 0.01  # of unit vectors, which files hold rounded


@dataclass(frozen=True)
class GazeLabels:
    """The gaze labels of a set.

    Attributes:
        names: of the labels, comma-separated.
        vectors: float64 [N, 3], unit length, in the convention of `gaze`.
        persons: int64 or text [N], or None when the set does not say whose eyes they are.
        description: `synthetic_y, radians (no value is above 0.54)`.
    """

    names: str
    vectors: Vectors
    persons: NDArray[Any] | None
    description: str


def read_gaze(
    labels: Labels,
    *,
    format: str = "",
    key: str | None = None,
    label: str | None = None,
    unit: str | None = None,
) -> GazeLabels:
    """Find and convert the gaze labels of a set.

    Args:
        labels: arrays [N, ...], as of a source.
        format: of the source.
        key: name of the image array, where the set has one.
        label: NAME or NAME,NAME[,NAME] that the user gave; used where the set has it.
        unit: that the user gave, one of `config.UNITS`; for sets that do not say theirs.
    Raises:
        DataError: there is no gaze, or its unit needs to be told, or a value cannot be one.
    """
    names, values, named_unit = _find(labels, key, label)
    shown = ",".join(names)
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise DataError(
            f"gaze labels must be [N, 2] (pitch, yaw) or [N, 3] (vectors), "
            f"{shown} is {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values).all(axis=1)).sum())
        raise DataError(f"{shown} holds NaN or infinity in {count:,} of {len(values):,} rows")
    declared = "radians" if format in IN_RADIANS and shown == "gaze" else named_unit
    vectors, what = _convert(values.astype(np.float64), shown, declared, unit)
    return GazeLabels(shown, vectors, persons_of(labels, key), f"{shown}, {what}")


def _find(
    labels: Labels, key: str | None, label: str | None
) -> tuple[tuple[str, ...], NDArray[Any], str | None]:
    """Names of the labels, their values [N, ...], and the unit that the names state."""
    if label is not None:
        names = tuple(name.strip() for name in label.split(","))
        if all(name in labels for name in names):
            return names, _stack(labels, names), None
    base = _base(key)
    if base is not None and base + "y" in labels:
        return (base + "y",), labels[base + "y"], None
    if "gaze" in labels:
        return ("gaze",), labels["gaze"], None
    for names, unit in COLUMNS.items():
        if all(name in labels for name in names):
            return names, _stack(labels, names), unit
    tables = [names for names in _numbered(labels) if len(names) in (2, 3)]
    if len(tables) == 1:
        return tables[0], _stack(labels, tables[0]), None
    have = ", ".join(labels) or "no labels at all"
    beside = "" if base is None else f"{base}y, "
    raise DataError(
        f"no gaze labels; the set has {have}",
        fix=f"Looked for {beside}gaze, or pitch and yaw. Name others with --label.",
    )


def _numbered(labels: Labels) -> list[tuple[str, ...]]:
    """Columns that a refined copy as image files makes of an array BASE_y: BASE_y_0, BASE_y_1."""
    stems = [name.removesuffix("_0") for name in labels if f"_{name}".endswith("_y_0")]
    return [
        tuple(itertools.takewhile(labels.__contains__, (f"{stem}_{i}" for i in range(4))))
        for stem in stems
    ]


def _base(key: str | None) -> str | None:
    """`eyes_x` -> `eyes_`, `x` -> ``: what the arrays beside an array of images begin with."""
    return key[:-1] if key is not None and f"_{key}".endswith("_x") else None


def _stack(labels: Labels, names: tuple[str, ...]) -> NDArray[Any]:
    if len(names) == 1:
        return labels[names[0]]
    columns = [labels[name] for name in names]
    if any(column.ndim != 1 for column in columns):
        shapes = ", ".join(f"{name} {list(labels[name].shape)}" for name in names)
        raise DataError(f"columns of gaze must be [N], got {shapes}")
    return np.stack(columns, axis=1)


def _convert(
    values: NDArray[np.float64], name: str, declared: str | None, asked: str | None
) -> tuple[Vectors, str]:
    """Unit vectors, and a description of the unit that they were in."""
    if values.shape[1] == 3:
        return _from_vectors(values, name, asked)
    if declared is not None:
        _refuse_large(values, name, declared)
        return to_vectors(_radians(values, declared)), declared
    if asked is not None:
        if asked not in ("radians", "degrees"):
            raise DataError(f"{name} has two columns; label_unit {asked} is for vectors")
        _refuse_large(values, name, asked)
        return to_vectors(_radians(values, asked)), f"{asked} (as told)"
    pitch, yaw = np.abs(values).max(axis=0)
    if max(pitch, yaw) <= math.pi / 2:
        why = f"radians (recognised: no value is above {max(pitch, yaw):.2f})"
        return to_vectors(values), why
    if pitch > math.pi / 2 or yaw > math.pi:
        _refuse_large(values, name, "degrees")
        why = f"degrees (recognised: values up to {max(pitch, yaw):.1f})"
        return to_vectors(np.radians(values)), why
    raise DataError(
        f"{name} can be radians or degrees: its values reach {pitch:.2f} and {yaw:.2f}",
        fix="Say which with --label-unit.",
    )


def _radians(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    return np.radians(values) if unit == "degrees" else values


def _refuse_large(values: NDArray[np.float64], name: str, unit: str) -> None:
    """Pitch beyond straight up and yaw beyond straight back are no gaze in that unit."""
    quarter = 90.0 if unit == "degrees" else math.pi / 2
    pitch, yaw = np.abs(values).max(axis=0)
    if pitch > quarter * 1.001 or yaw > 2 * quarter * 1.001:
        raise DataError(
            f"{name} is not gaze in {unit}: pitch reaches {pitch:.4g} and yaw {yaw:.4g}",
            fix="(pitch, yaw) is expected, in this order; say the unit with --label-unit.",
        )


def _from_vectors(values: NDArray[np.float64], name: str, asked: str | None) -> tuple[Vectors, str]:
    length = np.linalg.norm(values, axis=1)
    if np.abs(length - 1).max() > LENGTH_TOLERANCE:
        raise DataError(
            f"{name} has three columns, which must be unit vectors; their lengths are "
            f"{length.min():.3g} to {length.max():.3g}"
        )
    if asked not in ("vector", "vector-y-down"):
        raise DataError(
            f"{name} holds unit vectors; which way is y?",
            fix="Say --label-unit vector (y up) or vector-y-down (as MPIIGaze's).",
        )
    vectors = values * (1.0, -1.0 if asked == "vector-y-down" else 1.0, 1.0) / length[:, None]
    if np.median(vectors[:, 2]) > 0:
        raise DataError(
            f"most gaze vectors of {name} point away from the camera (z > 0)",
            fix="z must be below 0 towards the camera.",
        )
    return vectors, f"{asked} (as told)"


def persons_of(labels: Labels, key: str | None) -> NDArray[Any] | None:
    """Whose images they are, as whole numbers or text [N]; None where the set does not say.

    Raises:
        DataError: they are fractions or NaN.
    """
    names = [(_base(key) or "") + name for name in PERSONS] + list(PERSONS)
    found = next((labels[name] for name in names if name in labels), None)
    if found is None or found.ndim != 1:
        return None
    if found.dtype.kind == "U":
        return found
    if not (np.isfinite(found).all() and (found == np.round(found)).all()):
        raise DataError(
            "persons must be whole numbers or names, got fractions or NaN",
            fix="Give each person one number, or leave the column out.",
        )
    return found.astype(np.int64)
