"""Named places where a test can make the process die or an operation fail.

`SIMGAN_FAILPOINT=name:action[:nth]` acts the nth time (default the first) that `failpoint(name)`
is passed. Actions: kill, raise, enospc, eio, sleep, oom.
"""

import errno
import os
import signal
import time

_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Act if the environment names this place; otherwise return at once."""
    wanted = os.environ.get("SIMGAN_FAILPOINT")
    if wanted is None:
        return
    target, action, nth = (*wanted.split(":"), "1")[:3]
    if target != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(nth):
        _act(name, action)


def _act(name: str, action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "sleep":
        time.sleep(3600)
    elif action in ("enospc", "eio"):
        code = errno.ENOSPC if action == "enospc" else errno.EIO
        raise OSError(code, os.strerror(code), name)
    elif action == "oom":
        import torch

        raise torch.OutOfMemoryError(f"out of memory (injected at {name})")
    else:
        raise RuntimeError(f"injected failure at {name}")
