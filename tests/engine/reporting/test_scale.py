"""Ticks, scales and numbers against known answers."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgan.engine.reporting.scale import Scale, log_ticks, nice_ticks, number, span


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 7, [-2, 0, 2, 4, 6]),
        (0.1, 0.17, [0.1, 0.12, 0.14, 0.16]),
        (-80, 400, [0, 100, 200, 300, 400]),
        (9_990, 10_010, [9_990, 9_995, 10_000, 10_005, 10_010]),
        (3, 3, [3]),
    ],
)
def test_linear_ticks_are_round_values(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 1000, [1, 10, 100, 1000]),
        (20, 300, [20, 50, 100, 200]),
        (1e-9, 1e9, [1e-9, 1e-5, 1e-1, 1e3, 1e7]),
        (130, 140, [130, 132, 134, 136, 138, 140]),
        (5, 5, [5]),
    ],
)
def test_logarithmic_ticks_are_round_values(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == ticks


@given(
    st.floats(-1e9, 1e9),
    st.floats(1e-6, 1e9),
    st.integers(3, 9),
)
def test_linear_ticks_are_few_inside_and_evenly_spaced(low: float, width: float, most: int) -> None:
    high = low + width
    if high - low < abs(low) * 1e-6:
        return
    ticks = nice_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    room = 1e-6 * (high - low)
    assert all(low - room <= tick <= high + room for tick in ticks)
    gaps = [b - a for a, b in itertools.pairwise(ticks)]
    assert all(math.isclose(gap, gaps[0], rel_tol=1e-3) for gap in gaps)


def test_scales_map_ends_and_middles() -> None:
    linear = Scale(0, 10, 50, 450)
    assert [linear(v) for v in (0, 5, 10, 12)] == [50, 250, 450, 530]
    falling = Scale(1, 100, 200, 0, log=True)
    assert [round(falling(v), 9) for v in (1, 10, 100)] == [200, 100, 0]
    assert falling.ticks() == [1, 3, 10, 30, 100]


def test_a_span_shows_all_values_and_is_never_empty() -> None:
    assert span([2, 4]) == (1.9, 4.1)
    assert span([2, 4], zero=True) == (0, 4.2)
    assert span([-4, -2], zero=True) == (-4.2, 0)
    assert span([7]) == (3.5, 10.5) and span([0]) == (-1, 1)
    low, high = span([1, 100], log=True)
    assert low < 1 and high > 100 and low * high == pytest.approx(100)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.0, "1,234,567"),
        (0.0123456, "0.01235"),
        (400, "400"),
        (99.96, "99.96"),
        (-2.5, "-2.5"),
        (1e20, "1e+20"),
        (None, "unknown"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
    ],
)
def test_numbers_are_words(value: float | None, text: str) -> None:
    assert number(value) == text
