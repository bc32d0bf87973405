"""From values to places on an axis: nice ticks, linear and logarithmic scales, numbers in words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LOG_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(float(n) for n in range(1, 10)))
FEWEST = 3  # ticks on a logarithmic axis, where it has as many


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round values in [low, high]: 0, 2, 4 or 0, 0.25, 0.5, never 0, 3, 6."""
    if not low < high:
        return [low]
    exponent = math.floor(math.log10((high - low) / most))
    for power in (exponent, exponent + 1):
        for factor in STEPS:
            step = factor * 10.0**power
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first + 1 <= most:
                return [_exact(n * step) for n in range(first, last + 1)]
    raise AssertionError("unreachable: ten times the exact step always suffices")


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values of a logarithmic axis over [low, high], 0 < low: 1, 10, 100 or 1, 2, 5."""
    if not low < high:
        return [low]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in LOG_STEPS:
        finer = [_exact(f * 10.0**p) for p in powers for f in factors]
        finer = [tick for tick in finer if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(finer) > most and len(found) >= FEWEST:
            break
        found = finer
    if len(found) < FEWEST:
        return nice_ticks(low, high, most)
    return found[:: math.ceil(len(found) / most)]


def _exact(value: float) -> float:
    """Without the last bits that multiplying by a power of ten leaves."""
    return float(f"{value:.12g}")


@dataclass(frozen=True)
class Scale:
    """Values [low, high] to places [start, end], linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; those outside end up outside."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values on this axis."""
        find = log_ticks if self.log else nice_ticks
        return find(self.low, self.high, most)


def span(values: Iterable[float], *, log: bool = False, zero: bool = False) -> tuple[float, float]:
    """The least range that shows some finite values, with a margin; never empty.

    Args:
        values: at least one; positive ones only where `log`.
        log: for a logarithmic axis.
        zero: include 0 and leave no margin there.
    """
    found = list(values)
    low, high = min(found), max(found)
    if log:
        margin = (high / low) ** 0.05 if high > low else 1.5
        return low / margin, high * margin
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    bottom = 0.0 if zero and low == 0 else low - room
    return bottom, (0.0 if zero and high == 0 and low < 0 else high + room)


def number(value: float | None, digits: int = 4) -> str:
    """A number as a person reads it: 1234567 -> '1,234,567', 0.0123456 -> '0.01235'."""
    if value is None or not math.isfinite(value):
        return "not finite" if value is not None else "unknown"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.{digits}g}"
    return f"{value:.{digits}g}"
