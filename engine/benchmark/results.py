"""A row of the benchmark's table, as plain values for JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simgan.engine.benchmark.gate import Verdict
from simgan.engine.benchmark.rounds import Timing

Row = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """How much one call of a case does.

    Attributes:
        images: that go in.
        flops: floating-point operations, 0 where memory is what counts.
        bytes: that must at least be read and written, 0 where arithmetic is what counts.
    """

    images: int
    flops: int = 0
    bytes: int = 0

    def times(self, factor: float) -> "Work":
        """The same images with more work on each."""
        return Work(self.images, round(self.flops * factor), round(self.bytes * factor))


def timed_row(
    labels: Mapping[str, Any], verdict: Verdict, timing: Timing | None, work: Work
) -> Row:
    """A variant that was checked; without times when its gate is red.

    Args:
        labels: case, variant, mode, shape, dtype, memory_format, backend.
        verdict: of the gate.
        timing: None if it was not timed.
        work: of one call.
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
    return row


def skipped_row(labels: Mapping[str, Any], reason: str) -> Row:
    """A variant that did not take part, and why."""
    return {**labels, "gate": None, "seconds": None, "skipped": reason}


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None
