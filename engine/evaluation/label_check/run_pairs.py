"""The pairs of a run: its synthetic set beside RUN/refined, or a sample refined on the fly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import Source
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig
from simgan.engine.evaluation.label_check.pairs import (
    Pairs,
    drawn,
    gathered,
    resized,
    stored_pairs,
)
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision, on_device, pick_device
from simgan.engine.refine_config import RefineConfig
from simgan.engine.refining.forward import RefiningForward, steady_threads
from simgan.engine.refining.weights import Weights, find_input, find_weights, inherited_policy

ARRAY_FILES = (".npz", ".npy", ".h5", ".hdf5")
AT_ONCE = 256


def load_pairs(config: CheckLabelsConfig, observer: Observer) -> Pairs:
    """The pairs that a config names.

    Raises:
        CheckpointError: there is no such run, or no checkpoint in it.
        DataError: the sets cannot be read, or do not pair.
    """
    if config.synthetic is not None and config.refined is not None:
        synthetic = open_source(config.synthetic, config.data)
        refined = open_source(config.refined, config.data)
        return stored_pairs(synthetic, refined, config.sample, config.seed, observer)
    refining = RefineConfig(run=config.run, device=config.device, data=config.data)
    weights = find_weights(refining)
    policy = inherited_policy(refining, weights)
    source = open_source(find_input(refining, weights), policy)
    place = _refined_place(weights, source, observer)
    if place is None:
        return _refined_now(source, weights, config, observer)
    refined = open_source(place, policy)
    return stored_pairs(source, refined, config.sample, config.seed, observer)


def _refined_place(weights: Weights, source: Source, observer: Observer) -> str | None:
    """Where the run's refined set is; None when it has none, or one of other images."""
    assert weights.run is not None
    folder = weights.run / "refined"
    if not folder.is_dir():
        return None
    arrays = [path for path in sorted(folder.iterdir()) if path.suffix in ARRAY_FILES]
    place = arrays[0] if len(arrays) == 1 else folder
    found = _summary(place)
    if not found:
        return None
    if found.get("input", {}).get("location") not in (None, source.location):
        observer.message(f"{folder} holds other images, {found['input']['location']}: not used")
        return None
    if not found.get("complete"):
        observer.warning(f"{folder} is not complete; the images that are there are compared")
    if found.get("made_with", {}).get("checkpoint") != weights.hash:
        observer.warning(
            f"{folder} was not made with the newest checkpoint, {weights.path.name}: "
            "what is there is compared"
        )
    key = getattr(source, "key", None)
    return f"{place}#{key}" if key is not None and place != folder else str(place)


def _summary(place: Path) -> dict[str, Any]:
    """What refine noted about a set; empty where it noted nothing."""
    names = (
        [place.with_name(f"{place.name}.manifest.json")]
        if place.suffix in ARRAY_FILES
        else [place / "manifest.json", place / "refine" / "manifest.json"]
    )
    for file in names:
        try:
            value = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(value, dict) and "made_with" in value:
            return value
    return {}


def _refined_now(
    source: Source, weights: Weights, config: CheckLabelsConfig, observer: Observer
) -> Pairs:
    """Refine a random sample of the run's synthetic set, in memory."""
    rows, images, sizes, damaged = [], [], [], []
    for row in drawn(len(source), config.sample, config.seed).tolist():
        try:
            image = source.read(row)
        except BadImage as error:
            damaged.append(f"{error.name}: {error.reason}")
            continue
        rows.append(row)
        sizes.append(image.shape[:2])
        images.append(resized(image, config.data.size))
    if damaged:
        observer.warning(f"{len(damaged):,} images are unreadable: left out, first: {damaged[0]}")
    if not images:
        raise DataError("not one image can be read", where=source.location)
    observer.message(f"refining {len(images):,} images with {weights.path}")
    if weights.policy.size is not None and config.data.size is None:
        observer.warning(
            f"the training images were resized to {weights.policy.size}; these keep their own size"
        )
    weights.refuse_channels(images[0].shape, source.names[rows[0]])
    limits = weights.value_range(images[0].dtype, source.names[rows[0]], source)
    facts = {
        "found": len(source),
        "by": "name",
        "alone": {"synthetic": 0, "refined": 0},
        "unreadable": len(damaged),
        "refined": {"location": str(weights.path), "format": "refined on the fly"},
    }
    pairs = gathered(source, rows, images, images, sizes, facts)
    copies = _forward(pairs.synthetic, weights, limits, config.device, observer)
    return Pairs(**{**vars(pairs), "refined": copies})


def _forward(
    images: NDArray[Any],
    weights: Weights,
    limits: tuple[float, float],
    device_name: str,
    observer: Observer,
) -> NDArray[Any]:
    device = pick_device(device_name)
    forward = RefiningForward(
        weights.refiner,
        receptive_field=weights.refiner.receptive_field,
        width=weights.refiner.shape.width,
        precision=Precision.choose(device, amp=False, channels_last=False),
        batch=AT_ONCE,
        tile=None,
        say=observer.warning,
    )
    with steady_threads(device), on_device(device):
        parts = [
            forward.submit(list(images[start : start + AT_ONCE]), limits).result()
            for start in range(0, len(images), AT_ONCE)
        ]
    return np.concatenate(parts)
