"""A lock that one process at a time holds, and that tells the others who it is."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from simgan.engine.durable import replace_file
from simgan.engine.errors import LockedError

NOTE_PATIENCE = 20  # looks, one second in all


@contextmanager
def hold(lock: Path, held: Path, *, remove: bool = False) -> Iterator[None]:
    """Hold a lock for this process; the system frees it when the process dies, however it dies.

    Args:
        lock: the file; a note beside it, with the suffix .json, names the holder.
        held: what is locked, for the message.
        remove: leave no file behind.
    Raises:
        LockedError: another process holds it.
    """
    note = lock.with_suffix(".json")
    handle = FileLock(lock)
    try:
        handle.acquire(timeout=0)
    except Timeout:
        raise LockedError(f"{held} is in use{_holder(note)}") from None
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%H:%M")}
    try:
        replace_file(note, json.dumps(holder).encode())
        yield
    finally:
        note.unlink(missing_ok=True)
        if remove:
            # While held: whoever opens it now makes a new file and finds the work done.
            lock.unlink(missing_ok=True)
        handle.release()


def _holder(note: Path) -> str:
    """Who holds the lock; waits a little for a holder that is just writing its note."""
    for _ in range(NOTE_PATIENCE):
        with suppress(OSError, ValueError, LookupError, TypeError):
            holder = json.loads(note.read_text())
            if holder["host"] == socket.gethostname():
                os.kill(holder["pid"], 0)  # raises when the note is that of a dead process
            return f" by pid {holder['pid']} on host {holder['host']} since {holder['since']}"
        time.sleep(0.05)
    return ""
