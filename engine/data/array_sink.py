"""A refined .npy, .npz or HDF5 file: built beside its place, published at the end."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data import array_files
from simgan.engine.data.array_images import ArraySource
from simgan.engine.data.refined_manifest import Entry, RefinedManifest
from simgan.engine.data.source import Origin, Source
from simgan.engine.durable import digest, disk_error, sync_folder
from simgan.engine.errors import DataError, DiskError
from simgan.engine.failpoints import failpoint

BLOCK = 1 << 24


class ArraySink:
    """Writes one array of all refined images; rows in any order, then the file in one move.

    The rows lie in `.NAME.partial` until they are complete. A file of the source's own container
    keeps its other arrays, names and attributes; another container gets the images as `images`,
    their names as `names` and the source's labels. Label files beside the images go to the folder
    NAME.labels.

    Args:
        source: the images.
        file: to write.
        container: "npy", "npz" or "hdf5".
    """

    def __init__(self, source: Source, file: Path, container: str) -> None:
        self.source = source
        self.location = file
        self.lock = file.with_name(f".{file.name}.lock")
        self.container = container
        self.stage = file.with_name(f".{file.name}.partial")
        self.manifest = RefinedManifest(
            file.with_name(f"{file.name}.manifest.jsonl"),
            file.with_name(f"{file.name}.manifest.json"),
            file,
        )
        self.labels = "in the same file" if source.labels or self.mirrors else "none"
        if source.shared_files() or (len(source) and source.sidecars(0)):
            self.labels = str(self._label_folder)
        self._handle: int | None = None
        self._rows: np.memmap[Any, np.dtype[Any]] | None = None
        self._lock = threading.Lock()
        self._done = False

    @property
    def _label_folder(self) -> Path:
        return self.location.with_name(f"{self.location.name}.labels")

    @property
    def mirrors(self) -> bool:
        """Whether the source is a container of the same kind, whose other content is kept."""
        return self.source.format == self.container and self.source.path is not None

    def prepare(self) -> None:
        """See `Sink`."""
        self.location.parent.mkdir(parents=True, exist_ok=True)
        entries = self.manifest.entries
        if self.location.exists() or self.location.is_symlink():
            if self.manifest.published != _file_digest(self.location):
                raise DataError(
                    f"{self.location} exists and was not written by refine",
                    fix="Choose another --output, or move it away.",
                )
            self._done = True
        elif entries and not self._open_stage():
            entries.clear()

    def _open_stage(self) -> bool:
        """Go on with a staged array; False when there is none of the right length."""
        try:
            rows = np.load(self.stage, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return False
        if len(rows) != len(self.source):
            return False
        self._rows = rows
        self._handle = os.open(self.stage, os.O_RDWR)
        return True

    def claims(self, index: int) -> list[str]:
        """See `Sink`; the staged file is known as ours by its name."""
        return []

    def write(self, index: int, image: NDArray[np.generic], origin: Origin) -> Entry:
        """See `Sink`."""
        name = self.source.names[index]
        row = np.ascontiguousarray(image[..., 0] if self._flat(image) else image)
        with self._lock:
            if self._rows is None:
                self._create_stage(row)
        assert self._rows is not None and self._handle is not None
        if row.shape != self._rows.shape[1:] or row.dtype != self._rows.dtype:
            raise DataError(
                f"{name} is {row.dtype.name} {list(row.shape)}, the first image is "
                f"{self._rows.dtype.name} {list(self._rows.shape[1:])}; one array cannot hold both",
                fix="Use --format png, or set data.size=HxW.",
            )
        data = row.tobytes()
        offset = self._rows.offset + index * len(data)
        try:
            failpoint("refine.write")
            # Not through the memory map: a full disk would then end the process with a bus error.
            os.pwrite(self._handle, data, offset)
        except OSError as error:
            raise disk_error(error, self.stage) from error
        height, width, channels = image.shape
        return Entry(
            name=name,
            file=name,
            input=origin.digest,
            output=digest(data),
            dtype=row.dtype.name,
            size=(height, width, channels),
        )

    def _flat(self, image: NDArray[np.generic]) -> bool:
        """Whether gray images are stored [N, H, W]: as in the source's array, else always."""
        if image.shape[2] != 1:
            return False
        return not (isinstance(self.source, ArraySource) and len(self.source.images.shape) == 4)

    def _create_stage(self, row: NDArray[np.generic]) -> None:
        shape = (len(self.source), *row.shape)
        try:
            with open(self.stage, "wb") as file:
                array_files.write_header(file, shape, row.dtype)
                size = file.tell() + len(self.source) * row.nbytes
                file.flush()
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)  # a full disk is found now
                else:
                    file.truncate(size)
        except OSError as error:
            self.stage.unlink(missing_ok=True)
            raise _no_room(error, self.stage, len(self.source) * row.nbytes) from error
        assert self._open_stage()

    def holds(self, index: int, entry: Entry) -> bool:
        """See `Sink`."""
        if self._done:
            return True  # the hash of the whole file has been checked
        return self._rows is not None and digest(self._rows[index].tobytes()) == entry.output

    def keep(self, done: list[int]) -> list[int]:
        """See `Sink`; a published file is complete or built again, its rows are not taken apart."""
        if self._done and len(done) < len(self.source):
            self._done = False
            self.manifest.entries.clear()
            return []
        if self._done:
            self.stage.unlink(missing_ok=True)
        return done

    def publish(self, kept: list[int]) -> None:
        """See `Sink`."""
        self._carry_files(kept)
        if self._done or self._rows is None:
            return
        if self._handle is not None:
            os.fsync(self._handle)
        beside = self.stage
        if self.container != "npy" or len(kept) < len(self.source):
            beside = self.location.with_name(f".{self.location.name}.whole")
            self._build(beside, kept)
        self.manifest.publish(_file_digest(beside))
        self.close()
        failpoint("refine.publish")
        os.replace(beside, self.location)
        failpoint("refine.published")
        self.stage.unlink(missing_ok=True)
        sync_folder(self.location.parent)

    def _build(self, beside: Path, kept: list[int]) -> None:
        build: dict[str, Callable[..., None]] = {
            "npy": array_files.write_npy,
            "npz": array_files.write_npz,
            "hdf5": array_files.write_hdf5,
        }
        try:
            build[self.container](beside, self._rows, kept, source=self.source, mirror=self.mirrors)
            with open(beside, "rb+") as file:
                os.fsync(file.fileno())
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise disk_error(error, beside) from error

    def _carry_files(self, kept: list[int]) -> None:
        """Label files of a folder source, byte for byte, beside the array."""
        files = list(self.source.shared_files())
        for index in kept:
            files += self.source.sidecars(index)
        folder = self._label_folder
        for name, path in files:
            target = folder / name
            try:
                data = path.read_bytes()
                if target.exists() and target.read_bytes() == data:
                    continue
                if target.exists() and str(target) not in self.manifest.claimed:
                    raise DataError(f"{target} exists and was not written by refine")
                self.manifest.claim([str(target)])
                target.parent.mkdir(parents=True, exist_ok=True)
                beside = target.with_name(f".partial-{target.name}")
                beside.write_bytes(data)
                os.replace(beside, target)  # replaces a link, never follows it
            except OSError as error:
                raise disk_error(error, target) from error

    def close(self) -> None:
        """Close the staged file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _file_digest(path: Path) -> str:
    total = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def _no_room(error: OSError, path: Path, size: int) -> DiskError:
    known = disk_error(error, path)
    return DiskError(f"{known.what}; {size / 1e6:,.0f} MB are needed", fix=known.fix)
