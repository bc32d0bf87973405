"""The exact interval of a share of successes, so that it needs no SciPy."""

import math
from collections.abc import Callable

HALVINGS = 60


def exact_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a probability.

    Args:
        successes: 0 to `trials`.
        trials: independent, at least 1.
        confidence: least coverage.
    Raises:
        ValueError: the numbers are not counts of that kind.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"successes must be 0 to trials (at least 1), got {successes} of {trials}")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _root(lambda p: at_least(successes, trials, p) > tail)
    high = 1.0
    if successes < trials:
        high = _root(lambda p: 1 - at_least(successes + 1, trials, p) < tail)
    return low, high


def at_least(successes: int, trials: int, probability: float) -> float:
    """Probability of `successes` or more in `trials`, each of `probability` (between 0 and 1)."""
    if successes <= 0:
        return 1.0
    count = math.lgamma(trials + 1)
    yes, no = math.log(probability), math.log1p(-probability)
    return min(1.0, math.fsum(
        math.exp(
            count - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * yes + (trials - k) * no
        )
        for k in range(successes, trials + 1)
    ))  # fmt: skip


def _root(above: Callable[[float], bool]) -> float:
    """Where a condition that fails for small probabilities begins to hold."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if above(middle):
            high = middle
        else:
            low = middle
    return (low + high) / 2
