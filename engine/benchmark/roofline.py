"""The roofline: what the machine can do at most, what a case must do at least."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from simgan.engine.benchmark.rounds import synchronize

# Short enough on a CPU that some tries fit between the turns of other programs.
MATRIX = {"cpu": 512, "cuda": 8192}  # side of the matrices
COPY_BYTES = {"cpu": 128 << 20, "cuda": 2 << 30}  # larger than the caches
TRIES = {"cpu": (150, 12), "cuda": (30, 30)}  # of the product, of the copy


@dataclass(frozen=True)
class Ceilings:
    """What this machine reaches in this run where nothing but arithmetic, or but memory, counts.

    Attributes:
        flop_per_s: of a large matrix product in the dtype of the run.
        bytes_per_s: read and written by a large copy.
    """

    flop_per_s: float
    bytes_per_s: float


@dataclass(frozen=True)
class Pass:
    """One kernel's least work: every input read once, every output written once.

    Attributes:
        flops: floating-point operations, 2 per multiply-add.
        bytes: read and written.
    """

    flops: int = 0
    bytes: int = 0

    def floor(self, ceilings: Ceilings) -> float:
        """Seconds that it takes at the ceilings."""
        return max(self.flops / ceilings.flop_per_s, self.bytes / ceilings.bytes_per_s)


@dataclass(frozen=True)
class Work:
    """How much one call of a case does.

    Attributes:
        images: that go in.
        passes: one per layer and direction, activations fused into them.
    """

    images: int
    passes: tuple[Pass, ...] = ()

    @property
    def flops(self) -> int:
        """Of all passes."""
        return sum(each.flops for each in self.passes)

    @property
    def bytes(self) -> int:
        """Of all passes."""
        return sum(each.bytes for each in self.passes)

    def times(self, factor: float) -> "Work":
        """The same images with more work on each."""
        scaled = (Pass(round(p.flops * factor), round(p.bytes * factor)) for p in self.passes)
        return Work(self.images, tuple(scaled))

    def floor(self, ceilings: Ceilings) -> float:
        """Seconds at the ceilings, pass after pass."""
        return sum(each.floor(ceilings) for each in self.passes)


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """The best of many tries of a large matrix product and of a large copy.

    Args:
        device: to measure.
        dtype: of the matrices; the dtype of the run.
    """
    side, size, tries = MATRIX[device.type], COPY_BYTES[device.type], TRIES[device.type]
    a = torch.ones((side, side), device=device, dtype=dtype)
    b, product = torch.ones_like(a), torch.empty_like(a)
    multiply = _fastest(lambda: torch.mm(a, b, out=product), tries[0], device)
    source = torch.ones(size, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    copy = _fastest(lambda: target.copy_(source), tries[1], device)
    return Ceilings(2 * side**3 / multiply, 2 * size / copy)


def _fastest(work: Callable[[], object], tries: int, device: torch.device) -> float:
    """Seconds of the fastest call."""
    best = float("inf")
    for _ in range(tries):
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best
