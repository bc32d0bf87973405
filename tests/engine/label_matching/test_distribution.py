"""Distances and weights of labels against closed forms and scipy."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde, wasserstein_distance

from simgan.engine.data.batches import Order, WeightedOrder, copies
from simgan.engine.errors import DataError
from simgan.engine.label_matching.distribution import (
    LARGEST,
    SMALLEST,
    density,
    density_ratio,
    effective_size,
    limited,
    missed,
    summary,
    wasserstein,
)


def test_wasserstein_is_that_of_scipy() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=40), generator.normal(1, 2, size=31)
    u, v = generator.random(40), generator.random(31)
    assert wasserstein(a, u, b, v) == pytest.approx(wasserstein_distance(a, b, u, v))
    assert wasserstein(a, u, a + 3, u) == pytest.approx(3)


def test_weights_are_the_ratio_of_two_gaussians() -> None:
    generator = np.random.default_rng(1)
    wide = generator.normal(0, 10, size=(4000, 2))
    narrow = generator.normal((3, -2), 4, size=(3000, 2))
    weights = density_ratio(wide, narrow)
    for column, mean in enumerate((3, -2)):
        found = summary(wide[:, column], weights)
        # A kernel density widens what it follows by its bandwidth, here 3000^(-1/6) deviations.
        assert found["mean"] == pytest.approx(mean, abs=0.5)
        assert found["deviation"] == pytest.approx(4 * np.hypot(1, 3000 ** (-1 / 6)), rel=0.1)
    true = np.exp(
        -0.5 * (((wide - (3, -2)) / 4) ** 2).sum(axis=1) + 0.5 * ((wide / 10) ** 2).sum(axis=1)
    )
    near = (np.abs(wide - (3, -2)) < 6).all(axis=1)
    assert np.corrcoef(weights[near], true[near])[0, 1] > 0.96


def test_equal_spreads_weigh_all_alike() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=(3000, 2)), generator.normal(size=(3000, 2))
    assert effective_size(density_ratio(a, b)) > 0.9 * 3000


def test_density_is_that_of_scipy_without_its_factor() -> None:
    generator = np.random.default_rng(7)
    sample, weights, at = generator.normal(size=60), generator.random(60), generator.normal(size=9)
    theirs = gaussian_kde(sample, weights=weights)
    width = np.sqrt(theirs.covariance[0])
    ours = density(at[:, None], sample[:, None], width, weights)
    assert ours == pytest.approx(theirs(at) * width[0] * np.sqrt(2 * np.pi))


def test_weights_that_values_have_already_are_kept_where_they_fit() -> None:
    generator = np.random.default_rng(8)
    wide = generator.normal(0, 10, size=(4000, 2))
    target = generator.normal((3, -2), 4, size=(3000, 2))
    once = density_ratio(wide, target)
    twice = density_ratio(wide, target, once)
    assert not twice[once == 0].any()
    for column in range(2):
        # The second ratio takes back what kernels widen in the first.
        first, second = (summary(wide[:, column], w) for w in (once, twice))
        assert abs(second["deviation"] - 4) < abs(first["deviation"] - 4)
        assert second["mean"] == pytest.approx((3, -2)[column], abs=0.3)


def test_a_target_that_nothing_is_near_is_refused() -> None:
    values = np.random.default_rng(9).normal(size=(500, 2))
    with pytest.raises(DataError, match="no synthetic label is near any"):
        density_ratio(values, values / 100 + 500)


def test_a_label_without_spread_is_followed_as_finely_as_values_lie() -> None:
    values = np.random.default_rng(10).uniform(-20, 20, size=(2000, 2))
    target = np.stack((np.zeros(300), np.random.default_rng(11).normal(0, 5, 300)), axis=1)
    weights = density_ratio(values, target)
    found = summary(values[:, 0], weights)
    assert found["mean"] == pytest.approx(0, abs=0.3) and found["deviation"] < 1.0
    assert missed(values, weights, target) < 0.1


def test_images_that_would_hardly_be_drawn_are_left_out() -> None:
    generator = np.random.default_rng(12)
    wide = generator.uniform(-30, 30, size=(3000, 2))
    weights = density_ratio(wide, generator.normal(0, 3, size=(2000, 2)))
    far = (np.abs(wide) > 20).any(axis=1)
    assert not weights[far].any()
    assert weights[weights > 0].min() >= SMALLEST


def test_no_weight_is_larger_than_the_limit() -> None:
    weights = limited(np.r_[np.full(999, 1e-6), 1.0])
    assert weights.max() <= LARGEST * 1.001 and weights.mean() == pytest.approx(1)


def test_effective_size_counts_equally_drawn_images() -> None:
    assert effective_size(np.r_[np.ones(7), np.zeros(93)]) == pytest.approx(7)
    assert effective_size(np.array([1.0, 3.0])) == pytest.approx(16 / 10)


def test_summary_of_equal_weights_is_that_of_numpy() -> None:
    values = np.random.default_rng(3).normal(size=501)
    found = summary(values, np.full(501, 0.2))
    assert found["mean"] == pytest.approx(values.mean())
    assert found["deviation"] == pytest.approx(values.std())
    expected = np.quantile(values, (0.05, 0.5, 0.95), method="hazen")
    assert [found[q] for q in ("q05", "q50", "q95")] == pytest.approx(expected)


def test_what_no_synthetic_label_is_near_is_told() -> None:
    values = np.random.default_rng(4).uniform(-10, 10, size=(2000, 2))
    target = np.r_[np.random.default_rng(5).uniform(-9, 9, size=(75, 2)), np.full((25, 2), 40.0)]
    assert missed(values, np.ones(2000), target) == pytest.approx(0.25)
    near = np.random.default_rng(5).uniform(-9, 9, size=(400, 2))
    right = (values[:, 0] > 5).astype(float)  # images without weight are not there
    assert missed(values, np.ones(2000), near) == 0
    assert missed(values, right, near) == pytest.approx((near[:, 0] < 5 - 3.8).mean(), abs=0.05)


@pytest.mark.parametrize("start", [0.0, 0.3, 0.999])
def test_copies_are_as_many_as_weights_say(start: float) -> None:
    weights = np.random.default_rng(6).random(1000) * (np.arange(1000) % 3 > 0)
    found = copies(weights, start)
    expected = 1000 * weights / weights.sum()
    assert found.sum() == 1000
    assert (found >= np.floor(expected - 1e-6)).all() and (found <= np.ceil(expected + 1e-6)).all()
    assert not found[weights == 0].any()


def test_equal_weights_give_the_plain_order() -> None:
    plain, weighted = Order(97, 5, "x"), WeightedOrder(np.full(97, 0.3), 5, "x")
    assert plain.slice(40, 300).equal(weighted.slice(40, 300))


def test_images_come_as_often_as_they_weigh() -> None:
    weights = np.array([0.0, 1.0, 2.5, 0.25, 6.25])
    order = WeightedOrder(weights, 7, "synthetic")
    drawn = np.bincount(order.slice(0, 5 * 4000).numpy(), minlength=5) / (5 * 4000)
    assert drawn == pytest.approx(weights / 10, abs=0.005)
    again = WeightedOrder(weights, 7, "synthetic")
    assert again.slice(1234, 50).equal(order.slice(1234, 50))
    assert not WeightedOrder(weights, 8, "synthetic").slice(0, 500).equal(order.slice(0, 500))
