"""How much memory is free, and how to tell that it ran out."""

import os
from pathlib import Path

import torch

SPELLINGS = ("out of memory", "can't allocate memory", "status_alloc_failed")
LEAST = 64e6  # bytes; an estimate below says nothing


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that device or host memory ran out, in any of torch's spellings."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (any(spelling in text for spelling in SPELLINGS))


def free_memory() -> float:
    """Bytes of host memory that are free, within the limit of a container."""
    free = float("inf")
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = 1024.0 * int(line.split()[1])
        group = Path("/sys/fs/cgroup")
        limit, used = (group / "memory.max").read_text(), (group / "memory.current").read_text()
        if limit.strip() != "max":
            free = min(free, float(limit) - float(used))
    except (OSError, ValueError):
        pass  # no Linux, or no control groups
    if free == float("inf") and hasattr(os, "sysconf"):
        free = 0.5 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(free, LEAST)
