"""Right answers against guessing: exact binomial test, Clopper-Pearson interval, power.

Under the hypothesis that raters, or discriminators, cannot tell, each answer is right with
probability 1/2.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

HALVINGS = 60  # of an interval of length 1: far below the spacing of float64
POWER = 0.8


def p_better(right: int, answers: int) -> float:
    """One-sided p: the probability of at least so many right answers by guessing.

    The paper's p = 0.148 for 517 of 1,000 is this one.
    """
    _check(right, answers)
    term = total = 1  # the number of ways to have all of them right, then one less, ...
    for missed in range(answers - right):
        term = term * (answers - missed) // (missed + 1)
        total += term
    return total / (1 << answers)


def p_two_sided(right: int, answers: int) -> float:
    """The probability that guessing is at least as far from one half, on either side."""
    return min(1.0, 2 * p_better(max(right, answers - right), answers))


def clopper_pearson(right: int, answers: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the true accuracy; it covers at least with `confidence`, whatever the truth.

    Args:
        right: number of right answers, 0 to `answers`.
        answers: at least 1.
        confidence: between 0 and 1.
    Returns:
        low and high; low is 0 when nothing, high 1 when everything was right.
    """
    _check(right, answers)
    if answers < 1:
        raise ValueError("answers must be at least 1, got 0")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    tail = (1 - confidence) / 2
    logs = _log_binomials(answers)
    low = _solve(lambda p: _at_least(right, logs, p), tail) if right else 0.0
    # At most `right` right answers are at least `answers - right` wrong ones.
    wrong = answers - right
    high = 1 - _solve(lambda q: _at_least(wrong, logs, q), tail) if wrong else 1.0
    return low, high


def detectable(answers: int, alpha: float = 0.05, power: float = POWER) -> float | None:
    """The least accuracy that the two-sided test at level `alpha` finds with probability `power`.

    Returns:
        a number above 0.5, or None where even all answers right would not be significant.
    """
    if answers < 1 or p_two_sided(answers, answers) > alpha:
        return None
    critical = _critical(answers, alpha)
    logs = _log_binomials(answers)

    def found(accuracy: float) -> float:
        return _at_least(critical, logs, accuracy) + _at_least(critical, logs, 1 - accuracy)

    return _solve(found, power, start=0.5)


def _critical(answers: int, alpha: float) -> int:
    """The least number of right answers that is significant."""
    low, high = answers // 2, answers
    while high - low > 1:
        middle = (low + high) // 2
        if p_two_sided(middle, answers) <= alpha:
            high = middle
        else:
            low = middle
    return high


def _check(right: int, answers: int) -> None:
    if not 0 <= right <= answers:
        raise ValueError(f"right must be between 0 and answers = {answers}, got {right}")


def _log_binomials(n: int) -> NDArray[np.float64]:
    """Logarithms of the binomial coefficients (n over 0) to (n over n)."""
    factorials = np.array([math.lgamma(i + 1) for i in range(n + 1)])
    logs: NDArray[np.float64] = factorials[-1] - factorials - factorials[::-1]
    return logs


def _at_least(k: int, logs: NDArray[np.float64], p: float) -> float:
    """P(X >= k) for X binomial with n = len(logs) - 1 and p."""
    if p <= 0 or p >= 1:
        return float(k == 0 or p >= 1)
    n = len(logs) - 1
    i = np.arange(k, n + 1)
    return float(np.exp(logs[k:] + i * math.log(p) + (n - i) * math.log1p(-p)).sum())


def _solve(rising: Callable[[float], float], goal: float, start: float = 0.0) -> float:
    """Where a rising function on [start, 1] reaches `goal`."""
    low, high = start, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < goal:
            low = middle
        else:
            high = middle
    return (low + high) / 2
