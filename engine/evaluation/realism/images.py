"""A sample of images as they are stored, and what must hold before two samples are compared."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.batches import stored_tensor, to_unit
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DataError

LEAST = 50  # images; below that no figure here means anything
CHUNK = 256  # images in floating point at once
SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Images:
    """Some images of a set, rounded to stored values as they are on the disk.

    Attributes:
        stored: uint8 [N, H, W, C], or uint16 seen as int16, on the device.
        value_range: stored values that are -1 and 1.
        names: of the N images.
    """

    stored: Tensor
    value_range: tuple[float, float]
    names: list[str]

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, height, width, channels = self.stored.shape
        return channels, height, width

    def unit(self, rows: Tensor | slice) -> Tensor:
        """Some of them as float [n, C, H, W] in [-1, 1]."""
        return to_unit(self.stored[rows], self.value_range)

    def some(self, rows: Tensor) -> "Images":
        """The images of an int64 [n] index, in that order."""
        names = [self.names[row] for row in rows.tolist()]
        return Images(self.stored[rows.to(self.stored.device)], self.value_range, names)

    def chunks(self) -> list[slice]:
        """Parts that fit into memory as floating point."""
        return [slice(start, start + CHUNK) for start in range(0, len(self), CHUNK)]


def sample(array: ImageArray, rows: Tensor, device: torch.device) -> Images:
    """The images of an int64 [n] index of a packed set."""
    index = rows.numpy()
    stored = stored_tensor(array.images[index]).to(device)
    return Images(stored, array.value_range, [array.names[row] for row in index.tolist()])


def random_rows(
    total: int, count: int, seed: int, weights: NDArray[np.float64] | None = None
) -> Tensor:
    """`count` different rows of `total`, or all of them where there are fewer, in random order.

    Args:
        total, count: as above.
        seed: of the draw.
        weights: [total]; the chance of a row at each draw. Rows of weight 0 are never drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    if weights is None:
        return torch.randperm(total, generator=generator)[:count]
    count = min(count, int(np.count_nonzero(weights)))
    return torch.multinomial(torch.from_numpy(weights), count, generator=generator)


def distinct(images: Images) -> Images:
    """Every picture once: a copy in both halves of a set would be known by heart."""
    first: dict[bytes, int] = {}
    for row, digest in enumerate(_digests(images)):
        first.setdefault(digest, row)
    if len(first) == len(images):
        return images
    return images.some(torch.tensor(sorted(first.values())))


def check_pair(name: str, images: Images, other_name: str, other: Images) -> None:
    """Refuse two samples that cannot be compared.

    Raises:
        DataError: too few images, other sizes or channels, or images that are in both.
    """
    for kind, its in ((name, images), (other_name, other)):
        if len(its) < LEAST:
            raise DataError(
                f"the {kind} set has {len(its):,} different images, at least {LEAST} are needed"
            )
    if images.shape != other.shape:
        shapes = ["x".join(map(str, its.shape)) for its in (images, other)]
        raise DataError(
            f"{name} images are {shapes[0]}, {other_name} images are {shapes[1]} "
            "(channels x height x width)",
            fix="Set data.size and data.channels, for example "
            "--data-size 35x55 --data-channels gray.",
        )
    known = set(_digests(other))
    both = [n for n, d in zip(images.names, _digests(images), strict=True) if d in known]
    if both:
        raise DataError(
            f"{len(both):,} images are in the {name} set and in the {other_name} set, "
            "so they are no two samples",
            where=f"first: {', '.join(both[:SHOWN])}",
        )


def _digests(images: Images) -> list[bytes]:
    stored = images.stored.cpu().numpy()
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in stored]
