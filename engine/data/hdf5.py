"""Images and labels in the datasets of an HDF5 file; nothing outside of the file is ever opened."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.array_images import ArraySource, choose_images
from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import require
from simgan.engine.errors import DataError

SUFFIXES = (".h5", ".hdf5", ".hdf")
MAGIC = b"\x89HDF\r\n\x1a\n"
ARROW = "\u2192"
BUILT_IN_FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))  # up to scale-offset, and h5py's LZF
MAX_CHUNK_BYTES = 256 * 2**20
MAX_RATIO = 200
MAX_SUSPICIOUS_BYTES = 256 * 2**20
MAX_DEPTH = 16
BLOCK_BYTES = 16 * 2**20
BLOCKS_HELD = 4
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)


class Hdf5File(ArraySource):
    """One dataset of images; other datasets of the same length are labels."""

    format: ClassVar[str] = "hdf5"

    def __init__(self, location: str, path: Path, policy: DataPolicy) -> None:
        super().__init__(location, path, policy)
        h5py = require("h5py", "hdf5", location)
        try:
            self._file = h5py.File(path, "r", locking=False)
            datasets: dict[str, Any] = {}
            _collect(h5py, self._file, "", path.name, datasets)
            shapes = {key: (item.shape, item.dtype) for key, item in datasets.items()}
            self.key = choose_images(shapes, policy.key, location)
            count = datasets[self.key].shape[:1]
            self.set_images(Blocks(datasets[self.key], path.name), self.key)
            for key, item in datasets.items():
                if key != self.key and item.shape[:1] == count:
                    self.labels[key] = item[()]
        except DAMAGE as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{location} cannot be read: {error}") from None
        self.refuse_nan()

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether a file is HDF5, by its first bytes or its suffix."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(8) == MAGIC or path.suffix.lower() in SUFFIXES

    def read(self, index: int) -> NDArray[Any]:
        try:
            return super().read(index)
        except DAMAGE as error:
            if isinstance(error, DataError):
                raise
            raise BadImage(self.names[index], str(error)) from None


class Blocks:
    """Rows of a dataset, read in blocks of whole chunks; any thread may ask.

    Attributes:
        shape: of the dataset.
        dtype: of the dataset.
    """

    def __init__(self, dataset: Any, where: str) -> None:
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        self._dataset = dataset
        self._where = where
        rows_of_chunk = dataset.chunks[0] if dataset.chunks else 1
        row_bytes = max(1, int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize)
        self._rows = max(1, BLOCK_BYTES // row_bytes // rows_of_chunk) * rows_of_chunk
        self._held: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[Any]:
        number, row = divmod(index, self._rows)
        with self._lock:
            block = self._held.get(number)
            if block is None:
                start = number * self._rows
                block = self._dataset[start : start + self._rows]
                self._held[number] = block
                if len(self._held) > BLOCKS_HELD:
                    self._held.popitem(last=False)
            pixels: NDArray[Any] = block[row]
            return pixels


def _collect(h5py: Any, group: Any, prefix: str, where: str, found: dict[str, Any]) -> None:
    """Local numeric datasets below a group; links that lead elsewhere are refused."""
    if prefix.count("/") > MAX_DEPTH:
        raise DataError(f"{where}: groups are nested deeper than {MAX_DEPTH} (a cycle?)")
    for name in group:
        link = group.get(name, getlink=True)
        key = prefix + name
        if isinstance(link, h5py.ExternalLink):
            raise DataError(f"{where}: external link '{key}' {ARROW} {link.filename} refused")
        if isinstance(link, h5py.SoftLink):
            raise DataError(f"{where}: soft link '{key}' {ARROW} {link.path} refused")
        item = group[name]
        if isinstance(item, h5py.Group):
            _collect(h5py, item, key + "/", where, found)
        elif isinstance(item, h5py.Dataset) and item.dtype.kind in "iufb" and item.shape:
            refuse_unsafe(item, key, where)
            found[key] = item


def refuse_unsafe(dataset: Any, key: str, where: str) -> None:
    """Raise DataError for a dataset that reads other files, runs plugins or unpacks to too much."""
    if dataset.is_virtual:
        raise DataError(f"{where}: virtual dataset '{key}' reads other files; refused")
    if dataset.external:
        raise DataError(f"{where}: external data '{key}' {ARROW} {dataset.external[0][0]} refused")
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
    foreign = [number for number in filters if number not in BUILT_IN_FILTERS]
    if foreign:
        raise DataError(
            f"{where}: '{key}' needs HDF5 filter plugin {foreign[0]}; refused",
            fix="Save it with gzip or without compression.",
        )
    chunk = int(np.prod(dataset.chunks or (1,), dtype=np.float64)) * dataset.dtype.itemsize
    if chunk > MAX_CHUNK_BYTES:
        raise DataError(f"{where}: '{key}' has chunks of {chunk:,} bytes; the limit is 256 MiB")
    size = int(np.prod(dataset.shape, dtype=np.float64)) * dataset.dtype.itemsize
    stored = max(dataset.id.get_storage_size(), 1)
    if size > MAX_SUSPICIOUS_BYTES and size / stored > MAX_RATIO:
        raise DataError(f"{where}: '{key}' unpacks from {stored:,} to {size:,} bytes, like a bomb")
