"""Distances, gray values and gradients against known answers."""

import numpy as np
import pytest

from simgan.engine.reporting.distributions import (
    gradient,
    gray,
    statistics,
    wasserstein,
)


def test_a_shift_is_as_far_as_it_is() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    assert wasserstein(values, values + 3) == pytest.approx(3)
    assert wasserstein(values, values[::-1]) == pytest.approx(0, abs=1e-12)
    assert wasserstein(np.array([0.0, 1.0]), np.array([0.0])) == pytest.approx(0.5)


def test_the_distance_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="the reference is SciPy's")
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=700), generator.gamma(2.0, size=1100)
    assert wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-12)


def test_gray_is_percent_from_black_to_white() -> None:
    images = np.array([-1.0, 0.0, 1.0, 2.0], np.float32).reshape(1, 1, 2, 2)
    assert gray(images).tolist() == [[[0, 50], [100, 100]]]
    color = np.full((1, 3, 1, 1), -1, np.float32)
    color[0, 1] = 1
    assert gray(color) == pytest.approx(58.7)


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = 3.0 * np.arange(6)[None, None, :] + 4.0 * np.arange(5)[None, :, None]
    found = gradient(ramp)
    assert found.shape == (1, 4, 5)
    assert found == pytest.approx(5)


def test_shares_add_up_and_distances_name_the_nearer_set() -> None:
    generator = np.random.default_rng(2)
    sets = {
        name: generator.uniform(low, low + 0.5, (20, 1, 9, 8)).astype(np.float32)
        for name, low in (("synthetic", -0.9), ("refined", 0.1), ("real", 0.2))
    }
    grays, gradients = statistics(sets)
    for line in grays.chart().shown:
        assert sum(share or 0 for _, share in line.points) == pytest.approx(1)
    assert grays.distance("synthetic") == pytest.approx(55, abs=1)
    assert grays.distance("refined") == pytest.approx(5, abs=1)
    assert [row["set"] for row in gradients.rows()] == ["synthetic", "refined", "real"]
    assert statistics({"synthetic": sets["synthetic"]})[0].distance("synthetic") is None
