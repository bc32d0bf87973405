"""Images in NumPy files: .npy, memory-mapped, and .npz with labels beside the images."""

import struct
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.lib import format as npy_format

from simgan.engine.config import DataPolicy
from simgan.engine.data.array_images import ArraySource, choose_images
from simgan.engine.data.labels import names_persons
from simgan.engine.errors import DataError

MAX_MEMBER_RATIO = 200  # real images never compress that well; a zip bomb must
MAX_SUSPICIOUS_BYTES = 256 * 2**20
ZIP_DAMAGE = (
    zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, KeyError, struct.error,
    RuntimeError, OverflowError, MemoryError, SyntaxError, TypeError,
)  # fmt: skip


class NpyFile(ArraySource):
    """One array of images in an .npy file, memory-mapped."""

    format: ClassVar[str] = "npy"

    def __init__(self, location: str, path: Path, policy: DataPolicy) -> None:
        super().__init__(location, path, policy)
        try:
            with path.open("rb") as file:
                _, _, dtype = read_npy_header(file, path.name)
                if not dtype.hasobject:
                    self.set_images(np.load(path, mmap_mode="r", allow_pickle=False), path.name)
        except (ValueError, EOFError, OSError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{location} cannot be read: {error}") from None

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether `path` is an .npy file."""
        return path.is_file() and path.suffix.lower() == ".npy"


class NpzFile(ArraySource):
    """Arrays of an .npz file: one of images, the others of the same length are labels."""

    format: ClassVar[str] = "npz"

    def __init__(self, location: str, path: Path, policy: DataPolicy) -> None:
        super().__init__(location, path, policy)
        self._lock = threading.Lock()
        try:
            with zipfile.ZipFile(path) as archive:
                headers = {}
                for member in archive.infolist():
                    if member.filename.endswith(".npy"):
                        refuse_zip_bomb(member, path.name)
                        key = member.filename.removesuffix(".npy")
                        with archive.open(member) as file:
                            headers[key] = read_npy_header(file, f"{path.name}: {key}")
            shapes = {key: (shape, dtype) for key, (shape, _, dtype) in headers.items()}
            self.key = choose_images(shapes, policy.key, location)
            count = shapes[self.key][0][0]
            with np.load(path, allow_pickle=False) as arrays:
                self.set_images(arrays[self.key], self.key)
                for key, (shape, dtype) in shapes.items():
                    kinds = "fiubU" if names_persons(key) else "fiub"
                    if key != self.key and shape[:1] == (count,) and dtype.kind in kinds:
                        self.labels[key] = arrays[key]
            self.refuse_nan()
        except ZIP_DAMAGE as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{location} cannot be read: {error}") from None

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether `path` is an .npz file."""
        return path.is_file() and path.suffix.lower() == ".npz"


def read_npy_header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype of an array; object arrays are refused."""
    version = npy_format.read_magic(file)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise DataError(
            f"refusing {where}: object arrays are pickles, and pickles can run code",
            fix="Save it as an array of numbers.",
        )
    return shape, fortran, dtype


def refuse_zip_bomb(member: zipfile.ZipInfo, where: str) -> None:
    """Raise DataError for a member that unpacks to far more than it holds."""
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size > MAX_SUSPICIOUS_BYTES and ratio > MAX_MEMBER_RATIO:
        raise DataError(
            f"{where}: {member.filename} unpacks from {member.compress_size:,} to "
            f"{member.file_size:,} bytes, like a zip bomb",
            fix="If it is yours, save it with numpy.save as .npy.",
        )
