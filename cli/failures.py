"""What went wrong, in the user's words: exceptions to sentences, exit codes and crash reports."""

import errno
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simgan.engine.errors import DeviceMemoryError, DiskError, EngineError, Interrupted

BUG = 1
KEYBOARD_INTERRUPT = 130
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_BROKEN = (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Failure:
    """An exit code and the lines for stderr that go with it."""

    exit_code: int
    lines: tuple[str, ...]


class Crashed(Exception):  # noqa: N818 - it reports an error, it is not one of its own
    """A bug whose report is already written at `report` (None: it could not be written)."""

    def __init__(self, error: BaseException, report: Path | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.report = report


def explain(error: BaseException) -> Failure | None:
    """The failure that `error` means for a user, or None when it is a bug of ours."""
    if isinstance(error, Interrupted):
        return Failure(error.exit_code, _lines("", error))
    if isinstance(error, EngineError):
        return Failure(error.exit_code, _lines("Error: ", error))
    if isinstance(error, KeyboardInterrupt):
        return Failure(KEYBOARD_INTERRUPT, ("stopped",))
    if _is_out_of_memory(error):
        short = DeviceMemoryError(
            f"out of memory: {_first_sentence(error)}",
            fix="Use a smaller --batch, or --device cpu.",
        )
        return Failure(short.exit_code, _lines("Error: ", short))
    if isinstance(error, OSError) and error.errno in DISK_FULL + DISK_BROKEN:
        return Failure(DiskError.exit_code, _lines("Error: ", _disk_error(error)))
    return None


def crash(error: BaseException, folder: Path | None = None) -> Crashed:
    """Write a bug report into `folder`, else the temporary folder; return what to raise."""
    name = f"simgan-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = _report(error)
    for place in (folder, Path(tempfile.gettempdir())):
        if place is None or not place.is_dir():
            continue
        try:
            (place / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return Crashed(error, place / name)
    return Crashed(error, None)


@contextmanager
def crash_reports_in(find_folder: Callable[[], Path | None]) -> Iterator[None]:
    """Inside, the report of a bug goes to the folder that `find_folder` names when it happens."""
    try:
        yield
    except Exception as error:
        if explain(error) is not None:
            raise
        raise crash(error, find_folder()) from error


def bug(crashed: Crashed) -> Failure:
    """The one line a user sees for a bug."""
    kind = type(crashed.error).__name__
    where = f"report: {crashed.report}" if crashed.report else "set SIMGAN_DEBUG=1 to see it"
    return Failure(BUG, (f"Error: this is a bug in simgan-engine ({kind}); {where}",))


def _lines(prefix: str, error: EngineError) -> tuple[str, ...]:
    rest = (part for part in (error.where, error.fix) if part)
    return (f"{prefix}{error.what}", *(f"  {line}" for part in rest for line in part.splitlines()))


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    # By name: torch may never have been imported. Its CPU allocator raises RuntimeError.
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    spellings = ("CUDA out of memory", "CUDA error: out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in spellings)


def _first_sentence(error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text.split(". ")[0].rstrip(".")


def _disk_error(error: OSError) -> DiskError:
    name = f" {error.filename}" if error.filename else ""
    if error.errno in DISK_FULL:
        return DiskError(
            f"disk full: cannot write{name} ({error.strerror})",
            fix="Free space, or choose another disk with --out (train) or --output (refine).",
        )
    return DiskError(f"cannot use{name or ' the disk'}: {error.strerror}")


def _report(error: BaseException) -> str:
    versions = [f"Python {platform.python_version()}"]
    for name in ("simgan-engine", "torch", "triton", "numpy", "click"):
        versions.append(f"{name} {installed_version(name) or 'not installed'}")
    return "\n".join(
        (
            "This is a bug in simgan-engine. Please report it with this file.",
            f"versions: {', '.join(versions)}",
            f"platform: {platform.platform()}",
            f"command: {sys.argv}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )


def installed_version(name: str = "simgan-engine") -> str | None:
    """Version of an installed distribution, or None."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
