"""Kernel distance: against its definition, without bias, with intervals that hold the truth."""

import itertools

import numpy as np
import pytest

from simgan.engine.evaluation.realism.kernel_distance import kernel_distance


def kernel(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(x * y for x, y in zip(a, b, strict=True)) / len(a) + 1) ** 3


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Binkowski et al., Eq. 4, pair by pair."""
    n, m = len(x), len(y)
    within_x = sum(kernel(a, b) for a, b in itertools.permutations(x, 2)) / (n * (n - 1))
    within_y = sum(kernel(a, b) for a, b in itertools.permutations(y, 2)) / (m * (m - 1))
    across = sum(kernel(a, b) for a, b in itertools.product(x, y)) / (n * m)
    return within_x + within_y - 2 * across


def drawn(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 6)) + shift


def test_it_is_its_definition() -> None:
    x, y = drawn(9, 1), drawn(7, 2, 0.5)
    assert kernel_distance(x, y).value == pytest.approx(by_definition(x, y), rel=1e-12)


def test_the_error_is_that_of_leaving_each_image_out() -> None:
    x, y = drawn(9, 1), drawn(7, 2, 0.5)
    variance = 0.0
    for parts in (
        [by_definition(np.delete(x, i, 0), y) for i in range(len(x))],
        [by_definition(x, np.delete(y, i, 0)) for i in range(len(y))],
    ):
        variance += (len(parts) - 1) * float(np.var(parts))
    found = kernel_distance(x, y, confidence=0.95)
    half = 1.959963984540054 * variance**0.5
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_p_counts_the_relabellings_that_are_as_far_apart() -> None:
    x, y = drawn(6, 3), drawn(5, 4, 0.6)
    both, generator = np.concatenate((x, y)), np.random.default_rng(11)
    orders = [generator.permutation(11) for _ in range(20)]
    values = [by_definition(both[o[:6]], both[o[6:]]) for o in orders]
    count = sum(value >= by_definition(x, y) for value in values)
    assert kernel_distance(x, y, permutations=20, seed=11).p == (1 + count) / 21


def test_rows_of_the_kernel_matrix_can_be_computed_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = drawn(40, 1), drawn(33, 2)
    whole = kernel_distance(x, y, permutations=9)
    monkeypatch.setattr("simgan.engine.evaluation.realism.kernel_distance.ROWS", 7)
    parts = kernel_distance(x, y, permutations=9)
    assert (parts.value, parts.low, parts.p) == pytest.approx((whole.value, whole.low, whole.p))


def test_two_samples_of_one_set_are_seldom_called_different() -> None:
    """400 pairs: the mean is 0, the interval holds 0, and p is uniform."""
    found = [
        kernel_distance(drawn(40, 2 * i), drawn(50, 2 * i + 1), permutations=39, seed=i)
        for i in range(400)
    ]
    values = np.array([its.value for its in found])
    assert abs(values.mean()) < 3 * values.std() / 20
    excluded = np.mean([its.low > 0 or its.high < 0 for its in found])
    assert excluded <= 0.05
    # A binomial count of 400 at 0.05 lies in 9..32 with probability 0.998.
    assert 9 <= sum(its.p <= 0.05 for its in found if its.p is not None) <= 32


def test_the_interval_holds_a_true_difference_about_as_often_as_it_says() -> None:
    found = [kernel_distance(drawn(60, 2 * i), drawn(60, 2 * i + 1, 0.7)) for i in range(300)]
    truth = kernel_distance(drawn(6000, 999_999), drawn(6000, 999_998, 0.7)).value
    held = np.mean([its.low <= truth <= its.high for its in found])
    assert 0.88 <= held <= 0.99


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), r"second must be \[N, 2\], got \[5, 3\]"),
        (np.zeros((2, 2)), np.zeros((5, 2)), "first must hold at least 3 images, got 2"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "second must be finite"),
    ],
)
def test_what_is_no_pair_of_samples_is_refused(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel_distance(x, y)
