"""A few images of a run's two sets, refined by its checkpoint and judged by its discriminator."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from simgan.engine.config import DataPolicy, parse_range, parse_size
from simgan.engine.data.batches import to_unit
from simgan.engine.data.packing import pack
from simgan.engine.data.pixels import resize
from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import Source
from simgan.engine.data.sources import open_source
from simgan.engine.data.value_range import value_range
from simgan.engine.discriminator import Discriminator
from simgan.engine.errors import CheckpointError, DataError, EngineError
from simgan.engine.refiner import Refiner, load_refiner_file
from simgan.engine.reporting.facts import RunFacts
from simgan.engine.reporting.patch_map import Field, opinions, receptive_fields
from simgan.engine.samples import spread_indices
from simgan.engine.setup import EMBEDDED

SHOWN = 6  # images of each set on the page
MEASURED = 200  # images of each set behind the distributions, at most
FLOP = 2e12  # that refining them may take: a minute on a slow CPU
BATCH_PIXELS = 1 << 20


@dataclass(frozen=True)
class Sample:
    """Evenly spread images of one set, float [n, C, H, W] in [-1, 1], and the size of the set."""

    images: Tensor
    names: list[str]
    total: int
    format: str


@dataclass
class Pictures:
    """What could be looked at; an empty field is one that could not.

    Attributes:
        synthetic, real: of the run's sets.
        refined: [n, C, H, W], the synthetic sample refined.
        opinions: P(REFINED) [SHOWN, h, w] of the first SHOWN-spread images, by set.
        fields: what the patches see.
        patches: (h, w).
        notes: why something is missing, one sentence each.
    """

    synthetic: Sample | None = None
    real: Sample | None = None
    refined: Tensor | None = None
    opinions: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    fields: tuple[Field, Field] | None = None
    patches: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)

    def tensors(self) -> dict[str, Tensor]:
        """Images [n, C, H, W] in [-1, 1] by set, in the order of the page."""
        found = {
            "synthetic": None if self.synthetic is None else self.synthetic.images,
            "refined": self.refined,
            "real": None if self.real is None else self.real.images,
        }
        return {name: images for name, images in found.items() if images is not None}

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """`tensors` for NumPy."""
        return {name: images.numpy() for name, images in self.tensors().items()}

    def shown(self) -> dict[str, NDArray[np.uint8]]:
        """SHOWN pictures of each set, uint8 [n, H, W, C]; refined ones are of the synthetic."""
        return {name: _as_pixels(images[chosen(len(images))]) for name, images in
                self.arrays().items()}  # fmt: skip


def chosen(count: int) -> list[int]:
    """Which images of a sample are shown."""
    return spread_indices(count, SHOWN)


def look(facts: RunFacts) -> Pictures:
    """Read a sample of both sets and run the networks of the checkpoint on it, on the CPU."""
    pictures = Pictures(notes=[])
    refiner = discriminator = None
    if facts.checkpoint is not None and facts.image is not None:
        try:
            refiner = load_refiner_file(facts.checkpoint / "refiner.safetensors")
            discriminator = _discriminator(facts, facts.checkpoint, facts.image)
        except (EngineError, OSError) as error:
            pictures.notes.append(f"the networks cannot be read: {_sentence(error)}")
    count = _affordable(refiner, facts.image)
    for kind in ("synthetic", "real"):
        location = getattr(facts.config, kind) or EMBEDDED[kind]
        try:
            setattr(pictures, kind, sample(location, facts.config.data, count, facts.image))
        except (EngineError, OSError) as error:
            pictures.notes.append(
                f"the {kind} images cannot be shown: {_sentence(error)} "
                f"(they were at {location} when the run was started)"
            )
    if discriminator is not None and facts.image is not None:
        pictures.fields = receptive_fields(discriminator)
        pictures.patches = _map_size(discriminator, facts)
    if refiner is not None and pictures.synthetic is not None:
        pictures.refined = _refine(refiner, pictures.synthetic.images)
        if not pictures.refined.isfinite().all():
            pictures.refined = None
            pictures.notes.append("the refiner of this checkpoint gives values that are not finite")
    if discriminator is not None:
        pictures.opinions = {
            name: opinions(discriminator, images[chosen(len(images))])
            for name, images in pictures.tensors().items()
            if name != "synthetic"
        }
    return pictures


def sample(
    location: str, policy: DataPolicy, count: int, image: tuple[int, int, int] | None
) -> Sample:
    """Up to `count` evenly spread images of a set, as training sees them.

    Args:
        location: of the set.
        policy: of the run.
        count: images to read.
        image: channels, height, width that they must have; None for those of the first.
    Raises:
        DataError: the set is not there any more, or holds other images now.
    """
    source = open_source(location, policy)
    size = parse_size(policy.size, "data.size") if policy.size else None
    stored: list[NDArray[Any]] = []
    names = []
    for index in spread_indices(len(source), count):
        try:
            pixels = source.read(index)
        except BadImage:
            continue
        pixels = pixels if size is None else resize(pixels, *size)
        expected = stored[0].shape if stored else _shape(image, pixels)
        if pixels.shape != expected:
            raise DataError(
                f"{source.names[index]} is {_size(pixels.shape)}, expected {_size(expected)}"
            )
        stored.append(pixels)
        names.append(source.names[index])
    if not stored:
        raise DataError(f"none of the images in {location} can be read")
    limits = _limits(source, policy, stored[0].dtype)
    array = np.stack(stored)
    tensor = torch.from_numpy(array.view(np.int16) if array.dtype == np.uint16 else array)
    return Sample(to_unit(tensor, limits), names, len(source), source.format)


def _shape(image: tuple[int, int, int] | None, pixels: NDArray[Any]) -> tuple[int, ...]:
    if image is None:
        return pixels.shape
    channels, height, width = image
    return height, width, channels


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]} with {shape[2]} channels"


def _limits(source: Source, policy: DataPolicy, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Stored values that are -1 and 1; only a statistic of all pixels needs all images."""
    if policy.range is not None and parse_range(policy.range) in ("minmax", "percentile"):
        return pack(source, policy).value_range
    declared = source.value_limits() if dtype != np.uint8 else None
    return value_range(np.zeros(np.iinfo(dtype).max + 1, np.int64), policy, declared)


def _discriminator(facts: RunFacts, checkpoint: Path, image: tuple[int, int, int]) -> Discriminator:
    config = facts.config
    network = Discriminator(image[0], config.discriminator, config.adversarial, image[1:])
    file = checkpoint / "discriminator.safetensors"
    try:
        network.load_state_dict(safetensors.torch.load_file(file))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{file.name} does not fit the settings: {error}") from error
    return network.eval()


def _map_size(discriminator: Discriminator, facts: RunFacts) -> tuple[int, int]:
    assert facts.image is not None
    if facts.config.adversarial == "global":
        return 1, 1
    return discriminator.map_size(facts.image[1:])


def _affordable(refiner: Refiner | None, image: tuple[int, int, int] | None) -> int:
    """How many images can be refined in a minute or so."""
    if refiner is None or image is None:
        return MEASURED
    weights = sum(parameter.numel() for parameter in refiner.parameters())
    return max(SHOWN, min(MEASURED, int(FLOP / (2 * weights * image[1] * image[2]))))


def _refine(refiner: Refiner, images: Tensor) -> Tensor:
    size = max(1, min(64, BATCH_PIXELS // (images.shape[2] * images.shape[3])))
    with torch.no_grad():
        return torch.cat([refiner(part) for part in torch.split(images, size)])


def _as_pixels(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[n, C, H, W] in [-1, 1] to uint8 [n, H, W, C]."""
    pixels: NDArray[np.uint8] = np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def _sentence(error: Exception) -> str:
    return error.what if isinstance(error, EngineError) else str(error)
