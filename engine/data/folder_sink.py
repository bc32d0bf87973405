"""A folder of refined image files: tree, names and formats of the input, and its labels."""

import csv
import hashlib
import io
import os
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.image_encoding import encode_image, file_format
from simgan.engine.data.refined_manifest import TOOL, Entry, RefinedManifest, files_below
from simgan.engine.data.source import Origin, Source
from simgan.engine.durable import digest, disk_error
from simgan.engine.errors import DataError
from simgan.engine.failpoints import failpoint

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".gif")
TABLE = "labels.csv"
_COLUMNS = {"gaze": ("pitch", "yaw"), "pupil_center": ("pupil_x", "pupil_y")}


class FolderSink:
    """Writes one file per image below `root`.

    Each file is written beside its place and renamed. Label files are carried byte for byte;
    labels that the source computed or read from arrays become labels.csv. Sets whose images are
    files keep names and formats; members of arrays become NAME.png.

    Args:
        source: the images.
        root: the folder.
        always_png: write PNG whatever the source's files are.
    Raises:
        DataError: two images would get one name.
    """

    def __init__(self, source: Source, root: Path, *, always_png: bool) -> None:
        self.source = source
        self.location = root
        self.lock = root / ".refine.lock"
        self._folders: dict[str, str] = {}  # folder of a name to the folder that was made
        self._files = [_file_name(name, always_png) for name in source.names]
        self._always_png = always_png
        if len(set(self._files)) < len(self._files):
            twice = next(name for name in self._files if self._files.count(name) > 1)
            raise DataError(f"two images of {source.location} would both become {twice}")
        self._shared = [(name, path) for name, path in source.shared_files() if not _is_ours(path)]
        taken = {name for name, _ in self._shared}
        # A set with a manifest of its own keeps it; ours then goes into a folder.
        folder = root / "refine" if taken & {"manifest.json", "manifest.jsonl"} else root
        self.manifest = RefinedManifest(folder / "manifest.jsonl", folder / "manifest.json", root)
        has_label_files = bool(self._shared) or bool(len(source) and source.sidecars(0))
        self._table = bool(source.labels) and not has_label_files
        self.labels = "in the same files, beside the images" if has_label_files else "none"
        if self._table:
            self.labels = str(root / TABLE)

    def prepare(self) -> None:
        """See `Sink`."""
        self.location.mkdir(parents=True, exist_ok=True)
        present = files_below(self.location)
        owned = self.manifest.owned()
        for name in self._files:
            if name in present and name not in owned:
                raise self._foreign(name)
        carried = list(self._shared)
        for index in range(len(self.source)):
            carried += self.source.sidecars(index)
        for name, path in carried:
            if name in present and name not in owned and not _same(self.location / name, path):
                raise self._foreign(name)
        if self._table and TABLE in present and TABLE not in owned:
            raise self._foreign(TABLE)

    def _foreign(self, name: str) -> DataError:
        return DataError(
            f"{self.location / name} exists and was not written by refine",
            fix="Choose another --output, or move it away.",
        )

    def claims(self, index: int) -> list[str]:
        """See `Sink`."""
        return [self._files[index], *(name for name, _ in self.source.sidecars(index))]

    def write(self, index: int, image: NDArray[np.generic], origin: Origin) -> Entry:
        """See `Sink`."""
        name = self.source.names[index]
        data = encode_image(image, self._kind(name, origin.head), name)
        labels = {}
        for label, path in self.source.sidecars(index):
            labels[label] = self._carry(label, path)
        self._put(self._files[index], data)
        return Entry(
            name=name,
            file=self._files[index],
            input=origin.digest,
            output=digest(data),
            dtype=image.dtype.name,
            size=(image.shape[0], image.shape[1], image.shape[2]),
            labels=labels,
        )

    def _kind(self, name: str, head: bytes) -> str:
        if self._always_png or not head:
            return "PNG"
        if self.source.format == "nyu-hand" and head[24:25] == b"\x08":
            return "NYU"  # 8 bits per channel: the depth is split; 16-bit gray depth is not
        return file_format(name, head)

    def holds(self, index: int, entry: Entry) -> bool:
        """See `Sink`."""
        if entry.file != self._files[index]:
            return False
        labels = self.source.sidecars(index)
        if {name for name, _ in labels} != entry.labels.keys():
            return False
        if any(digest(path.read_bytes()) != entry.labels[name] for name, path in labels):
            return False
        wanted = {entry.file: entry.output, **entry.labels}
        return all(_digest_of(self.location / name) == value for name, value in wanted.items())

    def keep(self, done: list[int]) -> list[int]:
        """See `Sink`."""
        return done

    def publish(self, kept: list[int]) -> None:
        """See `Sink`."""
        self.manifest.claim(
            [*(name for name, _ in self._shared), *([TABLE] if self._table else [])]
        )
        for name, path in self._shared:
            self._carry(name, path)
        if self._table:
            self._put(TABLE, label_table(self.source, kept, self._files))
        # The files were not synced one by one: that would take longer than the refining.
        os.sync()

    def close(self) -> None:
        """See `Sink`; no file stays open."""

    def _carry(self, name: str, path: Path) -> str:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        value = digest(data)
        if _digest_of(self.location / name) != value:
            self._put(name, data)
        return value

    def _put(self, name: str, data: bytes) -> None:
        # Text and no Path: for small images those would take longer than the encoding.
        folder = self._folder(name)
        path = f"{folder}/{os.path.basename(name)}"
        beside = f"{folder}/.partial-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
        try:
            with open(beside, "wb") as file:
                file.write(data)
            failpoint("refine.write")
            os.replace(beside, path)
        except OSError as error:
            Path(beside).unlink(missing_ok=True)
            raise disk_error(error, Path(path)) from error

    def _folder(self, name: str) -> str:
        """The folder of an output file; it is made, and is never outside of the root."""
        parent, file = os.path.split(name)
        known = self._folders.get(parent)
        if known is not None and file != "..":
            return known
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts:
            raise DataError(f"unsafe name {name!r} leads out of {self.location}")
        folder = self.location / parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.location / name) from error
        if not folder.resolve().is_relative_to(self.location.resolve()):
            raise DataError(f"{folder} is a link that leads out of {self.location}")
        self._folders[parent] = str(folder)
        return str(folder)


def _file_name(name: str, always_png: bool) -> str:
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in IMAGE_SUFFIXES:
        return name + ".png"  # a member of an array, or one frame of a file
    return stem + ".png" if always_png else name


def _is_ours(path: Path) -> bool:
    """Whether a file is the manifest of a refined set, which describes that set and no other."""
    if path.name == "manifest.jsonl":
        path = path.with_suffix(".json")
    if path.name != "manifest.json":
        return False
    try:
        return f'"tool": "{TOOL}"'.encode() in path.read_bytes()[:200]
    except OSError:
        return False


def _digest_of(path: Path) -> str | None:
    try:
        return digest(path.read_bytes())
    except OSError:
        return None


def _same(path: Path, other: Path) -> bool:
    return not path.is_symlink() and _digest_of(path) == _digest_of(other)


def label_table(source: Source, kept: list[int], files: list[str]) -> bytes:
    """labels.csv of the kept images: name, then a column per number of each label.

    gaze gives pitch and yaw (radians), pupil_center gives pupil_x and pupil_y (px); others KEY or
    KEY_0_1. Numbers have as many digits as it takes to read the same number again.
    """
    columns: list[str] = []
    values: list[NDArray[np.generic]] = []
    for key, array in source.labels.items():
        flat = array.reshape(len(array), -1)
        columns += _columns(key, array.shape[1:])
        values += [flat[:, column] for column in range(flat.shape[1])]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["name", *columns])
    for index in kept:
        table.writerow([files[index], *(str(column[index]) for column in values)])
    return text.getvalue().encode()


def _columns(key: str, shape: tuple[int, ...]) -> list[str]:
    known = _COLUMNS.get(key)
    if known and shape == (len(known),):
        return list(known)
    places = ["_".join(map(str, place)) for place in np.ndindex(*shape)]
    return [f"{key}_{place}" if place else key for place in places]
