"""A row of the benchmark's table, as plain values for JSON."""

import math
from collections.abc import Mapping
from typing import Any

from simgan.engine.benchmark.gate import Verdict
from simgan.engine.benchmark.roofline import Ceilings, Work
from simgan.engine.benchmark.rounds import Timing

Row = dict[str, Any]


def timed_row(
    labels: Mapping[str, Any],
    verdict: Verdict,
    timing: Timing | None,
    work: Work,
    ceilings: Ceilings | None = None,
) -> Row:
    """A variant that was checked; without times when its gate is red.

    Args:
        labels: case, variant, mode, shape, dtype, memory_format, backend.
        verdict: of the gate.
        timing: None if it was not timed.
        work: of one call.
        ceilings: of this machine; None leaves the shares of them out.
    """
    row: Row = {
        **labels,
        "gate": "green" if verdict.green else "red",
        "error": _finite(verdict.error),
        "allowed_error": _finite(verdict.allowed),
        "worst": verdict.worst,
        "skipped": None,
        "seconds": None,
        "cpu_seconds": None,
        "images_per_s": None,
        "gflop_per_s": None,
        "gb_per_s": None,
        "bound": None,
        "of_ceiling": None,
        "floor_seconds": None,
        "of_floor": None,
        "peak_memory_bytes": None,
    }
    if timing is None or not verdict.green:
        return row
    seconds = timing.summary()
    median = seconds["median"]
    row["cpu_seconds"] = seconds.pop("cpu")
    row["seconds"] = seconds
    row["images_per_s"] = work.images / median
    row["gflop_per_s"] = work.flops / median / 1e9 if work.flops else None
    row["gb_per_s"] = work.bytes / median / 1e9 if work.bytes else None
    row["peak_memory_bytes"] = timing.peak_bytes
    if ceilings is not None:
        row |= shares(work, median, ceilings)
    return row


def shares(work: Work, seconds: float, ceilings: Ceilings) -> Row:
    """How close a time is to what the machine allows.

    Returns:
        `bound`: "compute" or "memory", what limits the work as a whole; `of_ceiling`: the rate
        reached, by the ceiling of that; `floor_seconds`: the roofline's least time, pass by pass;
        `of_floor`: that by the time. Both shares may exceed 1 where an algorithm needs less than
        what is counted.
    """
    compute = work.flops / ceilings.flop_per_s
    memory = work.bytes / ceilings.bytes_per_s
    floor = work.floor(ceilings)
    return {
        "bound": "compute" if compute >= memory else "memory",
        "of_ceiling": max(compute, memory) / seconds,
        "floor_seconds": floor,
        "of_floor": floor / seconds,
    }


def skipped_row(labels: Mapping[str, Any], reason: str) -> Row:
    """A variant that did not take part, and why."""
    return {**labels, "gate": None, "seconds": None, "skipped": reason}


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None
