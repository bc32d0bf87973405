"""Files of weights, one number for each synthetic image."""

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.labels import NAME_COLUMNS
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DataError
from simgan.engine.label_matching.distribution import Values

WEIGHTS = "weights"  # its name in label-match.npz


def read_weights(path: str, array: ImageArray) -> Values:
    """Weights [N] of the images of a set, as the file has them.

    Args:
        path: .npy with N numbers; label-match.npz of a run; or .csv with the columns `name` (or
            file, ...) and `weight`.
        array: the synthetic set.
    Raises:
        DataError: it cannot be read, or does not fit the set, or holds no usable weights.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise DataError(f"match_labels: {path} does not exist")
    try:
        table = place.suffix.lower() == ".csv"
        weights: NDArray[Any] = _table(place, array) if table else _numbers(place)
    except (OSError, ValueError, UnicodeDecodeError, csv.Error, zipfile.BadZipFile) as error:
        raise DataError(f"match_labels: {path} cannot be read: {error}") from None
    if weights.shape != (len(array),):
        raise DataError(
            f"match_labels: {path} holds weights of shape {list(weights.shape)}, the synthetic set "
            f"has {len(array):,} images"
        )
    return checked(weights, path)


def checked(weights: NDArray[np.generic], where: str) -> Values:
    """Weights as float64.

    Raises:
        DataError: one is negative or not finite, or all are zero.
    """
    values = weights.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise DataError(
            f"match_labels: weights must be finite and not negative, {where} has "
            f"{values[wrong[0]]:g} for image {wrong[0]:,}"
        )
    if not values.any():
        raise DataError(f"match_labels: all weights of {where} are zero")
    return values


def _numbers(place: Path) -> NDArray[np.generic]:
    loaded = np.load(place, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        weights = loaded
    else:
        with loaded:
            if WEIGHTS not in loaded:
                raise ValueError(f"it has no array {WEIGHTS!r}")
            weights = loaded[WEIGHTS]
    if weights.dtype.kind not in "fiub":
        raise ValueError("it holds no numbers")
    return weights


def _table(place: Path, array: ImageArray) -> NDArray[np.float64]:
    with place.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    columns = {name.strip().lower(): name for name in (rows[0] if rows else {}) if name}
    key = next((columns[name] for name in NAME_COLUMNS if name in columns), None)
    if key is None or "weight" not in columns:
        raise ValueError("it needs the columns name and weight")
    found = {row[key].strip(): float(row[columns["weight"]]) for row in rows}
    missing = [name for name in array.names if name not in found]
    if missing:
        raise ValueError(f"it has no weight for {missing[0]} ({len(missing):,} images have none)")
    return np.array([found[name] for name in array.names])
