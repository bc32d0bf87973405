"""A folder of image files, nested or flat, with labels beside them."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.decoding import decode_image, image_warnings
from simgan.engine.data.file_tree import FileTree, list_files, stem, suffix
from simgan.engine.data.headers import read_header
from simgan.engine.data.labels import LabelMatch, is_label_table, match_labels, read_table
from simgan.engine.data.pixels import convert_channels
from simgan.engine.data.problems import BadImage, Problem
from simgan.engine.data.source import Origin, Source
from simgan.engine.errors import DataError

# Files of these names belong to the whole set, even among per-image files of the same type.
SET_FILES = frozenset((
    "labels", "classes", "readme", "license", "notes", "index", "meta", "metadata", "annotations",
    "manifest", "data", "dataset", "train", "val", "test", "predefined_classes", "notice",
))  # fmt: skip
HEAD = 25  # bytes of a file that tell its format, and the depth of a PNG
FRAME_SUFFIXES = frozenset((".gif", ".webp", ".png", ".tif", ".tiff"))


class ImageFolder(Source):
    """PNG, JPEG, TIFF, BMP, WebP and GIF files below a folder.

    `items` holds (file name, frame or None) of every image.
    """

    format: ClassVar[str] = "image-folder"

    def __init__(self, location: str, path: Path, policy: DataPolicy) -> None:
        super().__init__(location, path, policy)
        tree = list_files(path)
        self.root = tree.root
        self.notes = list(tree.notes)
        self.skipped = list(tree.skipped)
        self.items = self.choose_images(tree)
        self.names = [name for name, _ in self.items]
        if not self.names:
            links = f" ({len(self.skipped):,} links are not followed)" if self.skipped else ""
            raise DataError(
                f"no images in {location}{links}",
                fix="PNG, JPEG, TIFF, BMP, WebP and GIF files are looked for, in subfolders too.",
            )
        self._beside = _by_stem(tree.others)
        images = {stem(name) for name in self.names}
        self._shared = [name for name in tree.others if stem(name) not in images]
        self.read_labels()
        if policy.frames == "all":
            self._split_frames()

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether `path` is a folder."""
        return path.is_dir()

    def choose_images(self, tree: FileTree) -> list[tuple[str, int | None]]:
        """The images of the set among all image files of the tree."""
        return [(name, None) for name in tree.images]

    def read_labels(self) -> None:
        """Fill `labels` and leave out what the policy lets us leave out."""
        tables = [name for name in self._shared if name.lower() == "labels.csv"]
        missing: dict[int, str] = {}
        extra: list[str] = []
        if tables and is_label_table(self.root / tables[0]):
            self.labels, missing, extra = read_table(self.root / tables[0], self.names)
        for kind in self._label_kinds():
            for index, name in enumerate(self.names):
                if stem(name) + kind not in self._beside.get(stem(name), ()):
                    missing.setdefault(index, stem(name) + kind)
            extra += [
                name
                for name in self._shared
                if suffix(name) == kind and Path(name).stem.lower() not in SET_FILES
            ]
        self.apply_match(match_labels(missing, len(self), extra, self.policy), missing)

    def apply_match(self, match: LabelMatch, missing: dict[int, str]) -> None:
        """Leave out the images without a usable label, named and counted."""
        if not match.missing and not match.extra:
            return
        left_out = [
            Problem(self.names[i], f"no label: {missing[i]}", chosen=True) for i in sorted(missing)
        ]
        self.skipped = [*self.skipped, *left_out]
        self.notes = [*self.notes, match.sentence()]
        self.select(match.kept)

    def _label_kinds(self) -> list[str]:
        """Suffixes of label files that at least half of the images have beside them."""
        counts: dict[str, int] = {}
        for name in self.names:
            for other in self._beside.get(stem(name), ()):
                counts[suffix(other)] = counts.get(suffix(other), 0) + 1
        return sorted(kind for kind, count in counts.items() if 2 * count >= len(self.names))

    def _split_frames(self) -> None:
        rows, items = [], []
        for index, (name, _) in enumerate(self.items):
            frames = 1
            if suffix(name) in FRAME_SUFFIXES:
                try:
                    frames = read_header((self.root / name).read_bytes(), name).frames
                except (BadImage, OSError):
                    frames = 1  # read() will say what is wrong with it
            rows += [index] * frames
            items += [(name, frame if frames > 1 else None) for frame in range(frames)]
        self.select(rows)
        self.items = items
        self.names = [name if frame is None else f"{name}#{frame}" for name, frame in items]

    def _bytes(self, index: int) -> bytes:
        name: str = self.items[index][0]
        limit = 64 * 2**20 + 8 * self.policy.max_pixels
        try:
            with open(f"{self.root}/{name}", "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size > limit:
                    raise BadImage(name, f"file of {size:,} bytes is larger than any allowed image")
                return file.readall()
        except OSError as error:
            raise BadImage(name, error.strerror or str(error)) from None

    def read(self, index: int) -> NDArray[Any]:
        return self._pixels(index, self._bytes(index))

    def load(self, index: int) -> tuple[NDArray[Any], Origin]:
        data = self._bytes(index)
        head = data[:HEAD] if self.items[index][1] is None else b""
        return self._pixels(index, data), Origin(self._digest(index, data), head)

    def input_digest(self, index: int) -> str:
        return self._digest(index, self._bytes(index))

    def _digest(self, index: int, data: bytes) -> str:
        # The frame's number keeps the images of one file apart.
        frame = self.names[index][len(self.items[index][0]) :]
        total = hashlib.blake2b(frame.encode(), digest_size=16)
        total.update(data)
        return total.hexdigest()

    def _pixels(self, index: int, data: bytes) -> NDArray[Any]:
        return convert_channels(self.decode_stored(index, data), self.policy.channels)

    def decode_stored(self, index: int, data: bytes) -> NDArray[Any]:
        """Pixels [H, W, C] from the bytes of a file, before gray or RGB is made of them."""
        _, frame = self.items[index]
        labelled = bool(self.labels) or bool(self.sidecars(index))
        return decode_image(data, self.names[index], self.policy, labelled=labelled, frame=frame)

    def warnings(self, index: int) -> list[str]:
        return image_warnings(self._bytes(index), self.items[index][0])

    def sidecars(self, index: int) -> list[tuple[str, Path]]:
        name, _ = self.items[index]
        return [(other, self.root / other) for other in self._beside.get(stem(name), ())]

    def shared_files(self) -> list[tuple[str, Path]]:
        return [(name, self.root / name) for name in self._shared]

    def stamps(self) -> Iterable[object]:
        for name, frame in self.items:
            status = (self.root / name).stat()
            yield from (status.st_size, status.st_mtime_ns, frame)
        for values in self.labels.values():
            yield np.ascontiguousarray(values).tobytes()


def _by_stem(names: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(stem(name), []).append(name)
    return groups
