"""Files that appear whole or not at all: written beside, synced, renamed."""

import errno
import hashlib
import os
from pathlib import Path

from simgan.engine.errors import DiskError
from simgan.engine.failpoints import failpoint

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def digest(data: bytes | memoryview) -> str:
    """blake2b-128 of some bytes, as hex."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and force it to the disk. Not atomic by itself."""
    with open(path, "wb") as file:
        file.write(data)
        failpoint("durable.before_fsync")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Force the names in a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader sees the old content or the new, never a part.

    Raises:
        DiskError: the disk is full or the file cannot be written; the old content is intact.
    """
    beside = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        write_synced(beside, data)
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> DiskError:
    """The sentence for a failed write: disk full and the space left, or the system's reason."""
    if error.errno in DISK_FULL:
        there = next(place for place in (path, *path.absolute().parents) if place.is_dir())
        stat = os.statvfs(there)
        free = stat.f_bavail * stat.f_frsize
        return DiskError(
            f"cannot write {path}: disk full ({free / 1e6:,.0f} MB free in {there})",
            fix="Free some space and run the same command again.",
        )
    return DiskError(f"cannot write {path}: {error.strerror or error}")
