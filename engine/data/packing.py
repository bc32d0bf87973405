"""A source as one array: decoded once, resized, memory-mapped, with its labels and value range."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy, parse_size
from simgan.engine.data import pack_cache
from simgan.engine.data.pack_cache import Packed
from simgan.engine.data.pixels import resize
from simgan.engine.data.problems import BadImage, Problem, refuse_too_many, skipped_sentence
from simgan.engine.data.reading import read_in_order
from simgan.engine.data.set_shape import SetShape
from simgan.engine.data.source import Source
from simgan.engine.data.value_range import (
    count_outside,
    count_values,
    refuse_undeclared,
    value_range,
)
from simgan.engine.errors import DataError

__all__ = ["ImageArray", "Problem", "pack"]

Progress = Callable[[int, int], None]
POINT_LABELS = ("pupil_center", "joints")  # (x, y, ...) in px; resizing moves them
HASH_BLOCK = 1 << 24


@dataclass
class ImageArray:
    """A whole set of images in one array.

    Attributes:
        images: uint8 or uint16 [N, H, W, C], usually memory-mapped and read-only.
        names: of the N images, as in the source.
        labels: arrays [N, ...]; points in px follow a resize.
        value_range: stored values that become -1 and 1.
        fingerprint: blake2b-128 over pixels, shape and dtype, hexadecimal.
        format: of the source.
        location: of the source.
        problems: images that were left out, with the reason.
        clipped: number of stored values outside `value_range`.
        total: images found, those left out included.
    """

    images: NDArray[Any]
    names: list[str]
    labels: dict[str, NDArray[Any]]
    value_range: tuple[float, float]
    fingerprint: str
    format: str
    location: str
    problems: list[Problem] = field(default_factory=list)
    clipped: int = 0
    total: int = 0

    def __len__(self) -> int:
        return len(self.images)

    @property
    def height(self) -> int:
        """Rows of an image."""
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        """Columns of an image."""
        return int(self.images.shape[2])

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        return int(self.images.shape[3])

    def skipped(self, listed_in: str) -> str | None:
        """`skipped 3 of 12,000 images (0.03 %), list: PATH`, or None when none was."""
        return skipped_sentence(self.problems, self.total, listed_in) if self.problems else None


def pack(
    source: Source,
    policy: DataPolicy | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ImageArray:
    """Decode a source once into a memory-mapped array, or find it already packed.

    Args:
        source: what to pack; files of it are never modified.
        policy: as given to `open_source`; the source's own by default.
        cache: folder of packed sets; see `pack_cache.cache_root` for the default.
        progress: called with (images done, images in all).
    Raises:
        DataError: images of several sizes, channels or depths, too small or with no stated range,
            or more damaged ones than `policy.max_bad`.
        DiskError: the cache cannot be written.
    """
    policy = policy or getattr(source, "policy", None) or DataPolicy()
    total = len(source) + len(source.skipped)
    refuse_too_many(source.skipped, total, policy.max_bad)
    packed = _map_directly(source, policy)
    if packed is None:
        folder = pack_cache.cache_root(cache) / f"{source.signature()}-{policy.size or 'stored'}"
        packed = pack_cache.load(folder)
        if packed is None:
            _decode_into(folder, source, policy, progress)
            packed = pack_cache.load(folder)
        assert packed is not None
    problems = [*source.skipped, *packed.problems]
    refuse_too_many(problems, total, policy.max_bad)
    refuse_undeclared(source.names[packed.kept[0]], packed.images.dtype, source, policy)
    limits = value_range(packed.counts, policy, _declared(source, packed))
    return ImageArray(
        images=packed.images,
        names=[source.names[i] for i in packed.kept],
        labels=_kept_labels(source, packed),
        value_range=limits,
        fingerprint=packed.fingerprint,
        format=source.format,
        location=source.location,
        problems=problems,
        clipped=count_outside(packed.counts, limits),
        total=total,
    )


def _declared(source: Source, packed: Packed) -> tuple[float, float] | None:
    return None if packed.images.dtype == np.uint8 else source.value_limits()


def _kept_labels(source: Source, packed: Packed) -> dict[str, NDArray[Any]]:
    rows = np.asarray(packed.kept, np.int64)
    labels = {key: values[rows] for key, values in source.labels.items()}
    after = np.asarray(packed.images.shape[1:3], np.float64)
    if (packed.sizes == after).all():
        return labels
    scale = (after / packed.sizes)[:, ::-1]  # x, y
    for key in POINT_LABELS:
        if key in labels:
            points = labels[key].astype(np.float32)
            shape = (len(points),) + (1,) * (points.ndim - 2) + (2,)
            points[..., :2] *= scale.reshape(shape).astype(np.float32)
            labels[key] = points
    return labels


def fingerprint_of(images: NDArray[Any]) -> str:
    """Hash of pixels, then dtype and shape: blake2b-128, hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    rows = max(1, HASH_BLOCK // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        digest.update(np.ascontiguousarray(images[start : start + rows]).data)
    digest.update(f"{images.dtype.name}{images.shape}".encode())
    return digest.hexdigest()


def _map_directly(source: Source, policy: DataPolicy) -> Packed | None:
    """The array of an .npy file as it is, when the policy changes nothing about it."""
    stored = getattr(source, "images", None)
    if not isinstance(stored, np.memmap) or len(source) == 0:
        return None
    images = stored if stored.ndim == 4 else stored[..., None]
    start = source.items[0]
    count, channels = len(source), images.shape[-1]
    wanted = {"keep": channels, "gray": 1, "rgb": 3}[policy.channels]
    whole = list(source.items) == list(range(start, start + count))
    plain = images.dtype.isnative and images.flags.c_contiguous and channels in (1, 3)
    if not (whole and plain and wanted == channels):
        return None
    if policy.size not in (None, "x".join(map(str, images.shape[1:3]))):
        return None
    images = images[start : start + count]
    shape = SetShape()
    shape.add(images.shape[1:], images.dtype, count)
    shape.refuse_small()
    sizes = np.tile(np.asarray(images.shape[1:3], np.int64), (count, 1))
    counts = count_values(images)
    return Packed(images, list(range(count)), sizes, counts, fingerprint_of(images), [])


def _decode_into(
    folder: Path, source: Source, policy: DataPolicy, progress: Progress | None
) -> None:
    with pack_cache.new_entry(folder) as entry, (entry / "images.npy").open("w+b") as file:
        writer = _Writer(file, source, policy)
        for index, pixels in read_in_order(source):
            writer.add(index, pixels)
            if progress is not None and (index + 1 == len(source) or index % 256 == 255):
                progress(index + 1, len(source))
        pack_cache.write_facts(entry, writer.finish())


class _Writer:
    """Images appended to an .npy file one by one; sizes and problems collected on the way."""

    def __init__(self, file: BinaryIO, source: Source, policy: DataPolicy) -> None:
        self.file = file
        self.source = source
        self.policy = policy
        self.target = parse_size(policy.size, "data.size") if policy.size else None
        self.shape = SetShape()
        self.kept: list[int] = []
        self.sizes: list[tuple[int, int]] = []
        self.problems: list[Problem] = []
        self.digest = hashlib.blake2b(digest_size=16)
        self.counts = np.zeros(0, np.int64)
        self.stored: tuple[int, ...] = ()
        self.dtype: Any = None

    def add(self, index: int, pixels: NDArray[Any] | DataError) -> None:
        """Append one image; damaged ones are recorded, other errors end the packing."""
        if isinstance(pixels, BadImage):
            self.problems.append(Problem(self.source.names[index], pixels.reason))
            return
        if isinstance(pixels, DataError):
            raise pixels
        size = (int(pixels.shape[0]), int(pixels.shape[1]))
        self.shape.add(pixels.shape, pixels.dtype)
        if self.target is not None:
            pixels = resize(pixels, *self.target)
        if self.dtype is None:
            refuse_undeclared(self.source.names[index], pixels.dtype, self.source, self.policy)
            self.stored, self.dtype = pixels.shape, pixels.dtype
            self.counts = np.zeros(np.iinfo(pixels.dtype).max + 1, np.int64)
            pack_cache.write_header(self.file, (len(self.source), *self.stored), self.dtype)
        if pixels.shape != self.stored or pixels.dtype != self.dtype:
            return  # finish() refuses the set; until then only sizes are counted
        plain = np.ascontiguousarray(pixels)
        self.file.write(plain.data)
        self.digest.update(plain.data)
        self.counts += np.bincount(plain.reshape(-1), minlength=len(self.counts))
        self.kept.append(index)
        self.sizes.append(size)

    def finish(self) -> Packed:
        """Complete the file and return what was learned; raises DataError for an unfit set."""
        skipped = len(self.source.skipped)
        total = len(self.source) + skipped
        refuse_too_many([*self.source.skipped, *self.problems], total, self.policy.max_bad)
        self.shape.refuse_small()
        self.shape.refuse_mixed(resized=self.target is not None)
        shape = (len(self.kept), *self.stored)
        pack_cache.write_header(self.file, shape, self.dtype)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.digest.update(f"{self.dtype.name}{shape}".encode())
        images = np.broadcast_to(np.zeros((), self.dtype), shape)  # stands for its shape
        return Packed(
            images,
            self.kept,
            np.asarray(self.sizes, np.int64),
            self.counts,
            self.digest.hexdigest(),
            self.problems,
        )
