"""Interleaved timing: on a shared machine only runs that lie beside each other can be compared."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

SAMPLE_SECONDS = 0.02  # short work is repeated until one sample takes about this long
MAX_REPEATS = 2000


@dataclass
class Timing:
    """Samples of one variant, one per round, in seconds per call.

    Attributes:
        wall: elapsed.
        cpu: spent by all threads of this process; on a shared machine the steadier number.
        peak_bytes: highest device memory in use during a call; None on a CPU.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_bytes: int | None = None

    def summary(self) -> dict[str, float | int]:
        """Median, 10th and 90th percentile of the wall time, median CPU time, rounds."""
        return {
            "median": statistics.median(self.wall),
            "p10": percentile(self.wall, 0.1),
            "p90": percentile(self.wall, 0.9),
            "cpu": statistics.median(self.cpu),
            "rounds": len(self.wall),
        }


def percentile(values: list[float], share: float) -> float:
    """Linear between the two nearest of the sorted values; `share` in [0, 1]."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def ratio(of: list[float], to: list[float]) -> float:
    """Median over the rounds of one variant's time divided by another's in the same round."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    say: Callable[[str], None] = lambda text: None,
    *,
    warm: bool = False,
) -> dict[str, Timing]:
    """Time every variant once a round, each round starting with another one.

    Untimed calls warm each variant up and tell how often to repeat it per sample.

    Args:
        variants: name to what one call of it does.
        rounds: samples of each.
        device: that the work runs on.
        say: is told which round begins.
        warm: whether they are warm already and each call is long enough for a sample.
    """
    timings = {name: Timing() for name in variants}
    repeats = {
        name: 1 if warm else _warm_up(work, device, timings[name])
        for name, work in variants.items()
    }
    names = list(variants)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            _sample(variants[name], repeats[name], device, timings[name])
    return timings


def _warm_up(work: Callable[[], object], device: torch.device, timing: Timing) -> int:
    """Run it once, short work twice; returns how often to repeat it per sample."""
    once = _once(work, device, timing)
    if once < 10 * SAMPLE_SECONDS:
        once = _once(work, device, timing)
    return max(1, min(MAX_REPEATS, round(SAMPLE_SECONDS / max(once, 1e-9))))


def _once(work: Callable[[], object], device: torch.device, timing: Timing) -> float:
    synchronize(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    if device.type == "cuda":
        timing.peak_bytes = torch.cuda.max_memory_allocated(device)
    return time.perf_counter() - start


def _sample(work: Callable[[], object], repeats: int, device: torch.device, timing: Timing) -> None:
    synchronize(device)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        work()
    synchronize(device)
    timing.wall.append((time.perf_counter() - wall) / repeats)
    timing.cpu.append((time.process_time() - cpu) / repeats)
