"""A source: named images in a fixed order, with their labels, wherever they are stored."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.problems import BadImage, Problem
from simgan.engine.errors import DataError

DECODER = 1  # raised when the same file would give other pixels than before
# Settings that decide which pixels come out of read(); the others only judge or resize them.
PIXEL_SETTINGS = (
    "channels", "alpha", "frames", "exif", "max_pixels", "missing_labels", "key", "crop",
    "eye_crop",
    "limit",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """What is remembered of the bytes that an image came from.

    Attributes:
        digest: blake2b-128 of the image's file, or of dtype, shape and pixels where it has no file
            of its own.
        head: the first bytes of the file, enough to tell its format; empty without one.
    """

    digest: str
    head: bytes = b""


class Source(ABC):
    """Images of one set, read one at a time from any number of threads.

    Attributes:
        format: name of the format, for example `image-folder`.
        path: file or folder, or None when the images are computed.
        location: what the user typed.
        policy: what may be done to the images.
        names: unique, in a fixed order; POSIX path relative to the root for files, `000012` for
            members of an array.
        labels: arrays [N, ...] aligned with `names`.
        skipped: images found but left out when the set was opened, with the reason.
        notes: what else was noticed, one sentence each.
    """

    format: ClassVar[str]
    path: Path | None
    location: str
    policy: DataPolicy
    names: list[str]
    labels: dict[str, NDArray[Any]]
    skipped: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    items: Sequence[Any] = ()

    def __init__(self, location: str, path: Path | None, policy: DataPolicy) -> None:
        self.location = location
        self.path = path
        self.policy = policy
        self.names = []
        self.labels = {}

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def read(self, index: int) -> NDArray[Any]:
        """Pixels of one image: uint8 or uint16 [H, W, C], C 1 or 3, at its stored size.

        Raises:
            BadImage: the image is damaged.
            DataError: the image needs a decision that the policy does not make.
        """

    def load(self, index: int) -> tuple[NDArray[Any], Origin]:
        """Pixels of one image as `read` gives them, and their origin; a file is read once.

        Raises:
            BadImage, DataError: as `read`.
        """
        pixels = self.read(index)
        return pixels, Origin(_pixel_digest(pixels))

    def input_digest(self, index: int) -> str:
        """`Origin.digest` of one image, without decoding it where it has a file of its own.

        Raises:
            BadImage: it cannot be read.
        """
        return _pixel_digest(self.read(index))

    def sidecars(self, index: int) -> list[tuple[str, Path]]:
        """Label files of one image, to be carried byte for byte: (name in a copy, file)."""
        return []

    def shared_files(self) -> list[tuple[str, Path]]:
        """Files of the whole set, to be carried byte for byte: (name in a copy, file)."""
        return []

    def warnings(self, index: int) -> list[str]:
        """What is odd about one image that can be read all the same."""
        return []

    def value_limits(self) -> tuple[float, float] | None:
        """Range of stored values that the format declares; None when `data.range` must state it."""
        for index in range(len(self)):
            try:
                return (0.0, 255.0) if self.read(index).dtype == np.uint8 else None
            except BadImage:
                continue
        return None

    def stamps(self) -> Iterable[object]:
        """What changes when the stored images change; sizes and times of files by default."""
        if self.path is None:
            return []
        status = self.path.stat()
        return [status.st_size, status.st_mtime_ns]

    def signature(self) -> str:
        """A key that changes with format, place, names, files or pixel settings; 32 hex digits."""
        digest = hashlib.blake2b(digest_size=16)
        place = str(self.path.resolve()) if self.path else self.location
        settings = {name: getattr(self.policy, name) for name in PIXEL_SETTINGS}
        for part in (
            DECODER,
            self.format,
            place,
            json.dumps(settings),
            *self.names,
            *self.stamps(),
        ):
            digest.update(str(part).encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()

    def select(self, indices: Sequence[int]) -> None:
        """Keep only the images at `indices`, in that order, with their labels."""
        self.names = [self.names[i] for i in indices]
        self.items = [self.items[i] for i in indices] if len(self.items) else self.items
        rows = np.asarray(indices, dtype=np.int64)
        self.labels = {key: values[rows] for key, values in self.labels.items()}


def _pixel_digest(pixels: NDArray[Any]) -> str:
    total = hashlib.blake2b(f"{pixels.dtype.name} {pixels.shape}".encode(), digest_size=16)
    total.update(np.ascontiguousarray(pixels).data)
    return total.hexdigest()


def require(module: str, extra: str, what: str) -> Any:
    """Import an optional module, or raise DataError that names the extra to install."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(
            f"{what} needs the package {module.partition('.')[0]}",
            fix=f"install simgan-engine[{extra}]",
        ) from None
