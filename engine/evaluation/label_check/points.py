"""Which points of an image are compared: labelled ones, else a grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.errors import DataError

KNOWN = ("pupil_center", "landmarks", "joints", "keypoints")
FROM_CORNER = ("unityeyes",)  # these formats count from the top left corner, not the pixel's middle
GRID = "grid"
SIDE = 17.0  # px at a width of 55: a piece that holds an iris, and texture on every side


@dataclass(frozen=True)
class Points:
    """Points of N images.

    Attributes:
        name: of the labels, comma-separated, or `grid`.
        places: float64 [N, K, 2], (x, y) px; (0, 0) is the middle of the top left pixel.
    """

    name: str
    places: NDArray[np.float64]


def labelled_points(
    labels: Mapping[str, NDArray[Any]], format: str, name: str | None = None
) -> Points | None:
    """The points that the labels of a set are, in px of its stored images.

    Args:
        labels: arrays [N, ...]: [N, 2 or more] is one point per image, [N, K, 2 or more] K points,
            (x, y) first.
        format: of the source.
        name: the one label to take; the known ones by default.
    Returns:
        None where there are none.
    Raises:
        DataError: `name` is none of the labels, or no points, or there is NaN among them.
    """
    if name is not None and name not in labels:
        have = ", ".join(labels) or "none at all"
        raise DataError(f"points: the set has no label {name!r}; it has {have}")
    names = [name] if name is not None else [known for known in KNOWN if known in labels]
    parts = []
    for key in names:
        values = labels[key]
        if values.ndim not in (2, 3) or values.shape[-1] < 2 or values.dtype.kind not in "fiu":
            raise DataError(
                f"points must be [N, 2] or [N, K, 2], (x, y) px; {key} is {list(values.shape)}"
            )
        places = values.reshape(len(values), -1, values.shape[-1])[..., :2].astype(np.float64)
        if not np.isfinite(places).all():
            count = int((~np.isfinite(places).all(axis=(1, 2))).sum())
            raise DataError(f"{key} holds NaN or infinity in {count:,} of {len(places):,} rows")
        parts.append(places)
    if not parts:
        return None
    corner = 0.5 if format in FROM_CORNER else 0.0
    return Points(", ".join(names), np.concatenate(parts, axis=1) - corner)


def at_size(places: NDArray[np.float64], scale: Any) -> NDArray[np.float64]:
    """Points of images that were resized by `scale` (x, y), [2] or broadcast to the points."""
    resized: NDArray[np.float64] = (places + 0.5) * np.asarray(scale) - 0.5
    return resized


def piece_side(width: int) -> int:
    """Side of the pieces in images of a width, px: odd."""
    return 2 * round((SIDE * width / 55 - 1) / 2) + 1


def grid_points(count: int, height: int, width: int) -> Points:
    """The same grid for every image: pieces that overlap by half and lie inside."""
    side = piece_side(width)
    axes = []
    for size in (width, height):
        low, high = (side - 1) / 2, size - 1 - (side - 1) / 2
        steps = max(1, round((high - low) / (side / 2)))
        axes.append(np.linspace(low, high, steps + 1) if high > low else np.array([(size - 1) / 2]))
    columns, rows = np.meshgrid(*axes)
    places = np.stack((columns.ravel(), rows.ravel()), axis=1).astype(np.float64)
    return Points(GRID, np.tile(places, (count, 1, 1)))


def inside(places: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Whether the piece about each point [N, K, 2] lies in the image, but for 2 px at a side."""
    reach = (piece_side(width) - 1) / 2 - 2
    limits = np.array((width, height)) - 1 - reach
    inner: NDArray[np.bool_] = np.all((places >= reach) & (places <= limits), axis=-1)
    return inner
