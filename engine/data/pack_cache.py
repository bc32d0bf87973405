"""Packed sets on disk: written beside, synced, renamed; a second process may win the race."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from simgan.engine.data.problems import Problem
from simgan.engine.errors import DiskError

STALE_SECONDS = 24 * 3600.0


@dataclass
class Packed:
    """Decoded images and what was learned while decoding.

    Attributes:
        images: [N, H, W, C] memory-mapped.
        kept: positions in the source of the N images.
        sizes: int64 [N, 2], height and width in px before resizing.
        counts: of every stored value.
        fingerprint: hash over pixels, shape and dtype.
        problems: images left out while decoding.
    """

    images: NDArray[Any]
    kept: list[int]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    fingerprint: str
    problems: list[Problem]


def cache_root(chosen: Path | None) -> Path:
    """The first writable of: `chosen`, $SIMGAN_CACHE, $XDG_CACHE_HOME, ~/.cache, the temp folder.

    Raises:
        DiskError: the place that was asked for cannot be written.
    """
    asked = chosen or (Path(text) if (text := os.environ.get("SIMGAN_CACHE")) else None)
    if asked is not None:
        if not _usable(asked):
            raise DiskError(f"cannot write the cache in {asked}")
        return asked
    places = []
    if text := os.environ.get("XDG_CACHE_HOME"):
        places.append(Path(text) / "simgan-engine")
    with contextlib.suppress(RuntimeError):  # no home folder is known
        places.append(Path.home() / ".cache" / "simgan-engine")
    places.append(Path(tempfile.gettempdir()) / f"simgan-engine-{os.getuid()}")
    for place in places:
        if _usable(place):
            return place
    raise DiskError("no folder for the cache is writable", fix="Set SIMGAN_CACHE to one that is.")


def _usable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK | os.X_OK)


def load(folder: Path) -> Packed | None:
    """A packed set, or None when there is none that is whole."""
    try:
        facts = json.loads((folder / "facts.json").read_text())
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        sizes = np.load(folder / "sizes.npy", allow_pickle=False)
        counts = np.load(folder / "counts.npy", allow_pickle=False)
        if list(images.shape) != facts["shape"] or len(facts["kept"]) != len(images):
            return None
        problems = [Problem(*pair) for pair in facts["problems"]]
        return Packed(images, facts["kept"], sizes, counts, facts["fingerprint"], problems)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


@contextlib.contextmanager
def new_entry(folder: Path) -> Iterator[Path]:
    """A new folder that becomes `folder` when the block ends well and vanishes otherwise."""
    _remove_stale(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{folder.name[:8]}-", dir=folder.parent))
    try:
        yield temporary
        sync(temporary)
        try:
            os.rename(temporary, folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _replace_broken(temporary, folder)
        sync(folder.parent)
    except OSError as error:
        if isinstance(error, DiskError) or error.errno not in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EIO,
        ):
            raise
        free = shutil.disk_usage(folder.parent).free / 1e6
        raise DiskError(
            f"cannot write the cache: {error.strerror} ({free:.0f} MB free in {folder.parent})",
            fix="Free space, or set SIMGAN_CACHE to a folder with more.",
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_broken(temporary: Path, folder: Path) -> None:
    if load(folder) is not None:
        return  # another process was faster; its pack is the same
    broken = Path(tempfile.mkdtemp(prefix=".tmp-broken-", dir=folder.parent))
    os.rename(folder, broken / "entry")
    os.rename(temporary, folder)
    shutil.rmtree(broken, ignore_errors=True)


def _remove_stale(root: Path) -> None:
    for path in root.glob(".tmp-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def sync(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Write the header of an .npy file at its start; NumPy pads it so that N may change later."""
    file.seek(0)
    facts = {"descr": npy_format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(file, facts)
    return file.tell()


def write_facts(folder: Path, packed: Packed) -> None:
    """Write everything of a pack but its pixels."""
    facts = {
        "shape": list(packed.images.shape),
        "kept": packed.kept,
        "fingerprint": packed.fingerprint,
        "problems": [[problem.name, problem.reason] for problem in packed.problems],
    }
    np.save(folder / "sizes.npy", packed.sizes)
    np.save(folder / "counts.npy", packed.counts)
    (folder / "facts.json").write_text(json.dumps(facts))
    for name in ("sizes.npy", "counts.npy", "facts.json"):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
