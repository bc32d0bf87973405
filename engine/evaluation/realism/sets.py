"""The samples that are compared: read from their places, or refined here by a run's checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import torch

from simgan.engine.data.packing import ImageArray, pack
from simgan.engine.data.sources import open_source
from simgan.engine.data_policy import DataPolicy
from simgan.engine.discriminator import Layout
from simgan.engine.errors import CheckpointError, DataError
from simgan.engine.evaluation.realism.config import RealismConfig
from simgan.engine.evaluation.realism.images import (
    Images,
    check_pair,
    distinct,
    random_rows,
    sample,
)
from simgan.engine.evaluation.realism.refined import refined_images
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision
from simgan.engine.refine_config import RefineConfig
from simgan.engine.refining.weights import find_weights
from simgan.engine.run_folder import RunFolder


@dataclass(frozen=True)
class Samples:
    """What is compared with the real images.

    Attributes:
        others: "refined", and "synthetic" where there is one.
        real: the real images.
        descriptions: of every set, for people.
        synthetic: place of the synthetic set and how it is read; for the labels.
        policy: how the sets are read.
        layout: of a fresh discriminator.
    """

    others: dict[str, Images]
    real: Images
    descriptions: dict[str, str]
    synthetic: str | None
    policy: DataPolicy
    layout: Layout


def load_samples(config: RealismConfig, device: torch.device, observer: Observer) -> Samples:
    """Open every set, draw the samples and check that they can be compared.

    Raises:
        ConfigError, CheckpointError, DataError: what is not usable, named.
    """
    config.check_sets()
    found = _of_run(config, device, observer) if config.run else _named(config, device, observer)
    for name, images in found.others.items():
        check_pair(name, images, "real", found.real)
    return found


def _named(config: RealismConfig, device: torch.device, observer: Observer) -> Samples:
    drawn, descriptions = {}, {}
    for number, name in enumerate(("refined", "synthetic", "real")):
        location = getattr(config, name)
        if location is None:
            continue
        array = _packed(location, name, config.data, observer)
        drawn[name] = _drawn(array, name, config, number, device, observer)
        descriptions[name] = _described(array, len(drawn[name]))
        observer.message(f"{name}: {descriptions[name]}")
    real = drawn.pop("real")
    layout: Layout = "hand" if config.discriminator == "hand" else "gaze"
    return Samples(drawn, real, descriptions, config.synthetic, config.data, layout)


def _of_run(config: RealismConfig, device: torch.device, observer: Observer) -> Samples:
    weights = find_weights(RefineConfig(run=config.run, checkpoint=config.checkpoint))
    assert weights.run is not None
    trained = RunFolder.open(weights.run).config()
    if trained.synthetic is None or trained.real is None:
        raise CheckpointError(f"{weights.run} does not say which images it was trained on")
    why = f" ({weights.why})" if weights.why else ""
    observer.message(f"refining with {weights.path}{why}")
    arrays = {
        name: _packed(location, name, trained.data, observer)
        for name, location in (("synthetic", trained.synthetic), ("real", trained.real))
    }
    drawn = {
        name: _drawn(array, name, config, number, device, observer)
        for number, (name, array) in enumerate(arrays.items(), 1)
    }
    precision = Precision(device)
    network = precision.module(weights.refiner)
    refined = distinct(refined_images(drawn["synthetic"], network, precision))
    descriptions = {name: _described(arrays[name], len(its)) for name, its in drawn.items()}
    for name, text in descriptions.items():
        observer.message(f"{name}: {text}")
    descriptions["refined"] = f"{len(refined):,} of them, refined with {weights.path}"
    layout = trained.discriminator if config.discriminator == "auto" else config.discriminator
    return Samples(
        {"refined": refined, "synthetic": drawn["synthetic"]},
        drawn["real"],
        descriptions,
        trained.synthetic,
        trained.data,
        layout,
    )


def _packed(location: str, name: str, policy: DataPolicy, observer: Observer) -> ImageArray:
    try:
        array = pack(open_source(location, policy), policy)
    except DataError as error:
        where = f"{error.where}; {name}: {location}" if error.where else f"{name}: {location}"
        raise DataError(error.what, where=where, fix=error.fix) from error
    if array.problems:
        first = array.problems[0]
        observer.warning(
            f"{name}: left out {len(array.problems):,} of {array.total:,} images, "
            f"first: {first.name}: {first.reason}"
        )
    return array


def _drawn(
    array: ImageArray,
    name: str,
    config: RealismConfig,
    number: int,
    device: torch.device,
    observer: Observer,
) -> Images:
    """A random sample; each set has its own numbers, so that equal names are not drawn together."""
    rows = random_rows(len(array), config.images, config.seed + 1000 * number)
    images = sample(array, rows, device)
    found = distinct(images)
    if len(found) < len(images):
        observer.warning(
            f"{name}: {len(images) - len(found):,} of {len(images):,} images are copies of others "
            "and were left out"
        )
    return found


def _described(array: ImageArray, count: int) -> str:
    place = array.location
    if not place.startswith("procedural:"):
        place = str(Path(place))
    return (
        f"{count:,} of {len(array):,} images {array.height}x{array.width}x{array.channels} "
        f"({array.format}, {place})"
    )
