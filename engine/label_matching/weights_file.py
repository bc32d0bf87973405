"""Files of weights, one number for each synthetic image."""

import csv
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.labels import NAME_COLUMNS
from simgan.engine.data.packing import ImageArray
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError
from simgan.engine.label_matching.distribution import Values
from simgan.engine.label_matching.request import split_key

WEIGHTS = "weights"  # its name in label-match.npz


class UnfitWeightsError(DataError):
    """Weights that are not those of this set: it has another number of images or other names."""


def read_weights(path: str, images: ImageArray | Source) -> Values:
    """Weights [N] of the images of a set, as the file has them.

    Args:
        path: .npy with N numbers; FILE.npz#KEY, or label-match.npz of a run; or .csv with the
            columns `name` (or file, ...) and `weight`.
        images: the synthetic set.
    Raises:
        UnfitWeightsError: they belong to another set.
        DataError: it cannot be read, or holds no usable weights.
    """
    place, key = split_key(path)
    if not place.is_file():
        raise DataError(f"match_labels: {path} does not exist")
    try:
        table = place.suffix.lower() == ".csv"
        found: NDArray[Any] | dict[str, float]
        found = _table(place) if table else _numbers(place, key or WEIGHTS)
    except (OSError, EOFError, ValueError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"match_labels: {path} cannot be read: {error}") from None
    weights = _by_name(found, images, path) if isinstance(found, dict) else found
    if weights.shape != (len(images),):
        raise UnfitWeightsError(
            f"match_labels: {path} holds weights of shape {list(weights.shape)}, the set has "
            f"{len(images):,} images",
            where=images.location,
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


def _numbers(place: Path, key: str) -> NDArray[np.generic]:
    loaded = np.load(place, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        weights = loaded
    else:
        with loaded:
            if key not in loaded:
                raise ValueError(f"it has no array {key!r}")
            weights = loaded[key]
    if weights.dtype.kind not in "fiub":
        raise ValueError("it holds no numbers")
    return weights


def _table(place: Path) -> dict[str, float]:
    """The weight of each name."""
    with place.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    columns = {name.strip().lower(): name for name in (rows[0] if rows else {}) if name}
    key = next((columns[name] for name in NAME_COLUMNS if name in columns), None)
    if key is None or "weight" not in columns:
        raise ValueError("it needs the columns name and weight")
    found: dict[str, float] = {}
    for number, row in enumerate(rows, 1):
        name, weight = (row[key] or "").strip(), row[columns["weight"]]
        if not name or not weight:
            raise ValueError(f"row {number} has no {'weight' if name else 'name'}")
        if name in found:
            raise ValueError(f"it names {name} twice")
        found[name] = float(weight)
    return found


def _by_name(
    found: dict[str, float], images: ImageArray | Source, path: str
) -> NDArray[np.float64]:
    missing = [name for name in images.names if name not in found]
    if missing:
        raise UnfitWeightsError(
            f"match_labels: {path} has no weight for {missing[0]} ({len(missing):,} images have "
            "none)",
            where=images.location,
        )
    return np.array([found[name] for name in images.names])
