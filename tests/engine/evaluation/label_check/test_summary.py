"""Bootstrap summaries against SciPy and closed forms."""

import numpy as np
import pytest

from simgan.engine.evaluation.label_check.summary import summarize

SETTINGS = {"resamples": 4000, "confidence": 0.95, "seed": 1}


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("mean", np.mean),
        ("median", np.median),
        ("p95", lambda v, axis: np.quantile(v, 0.95, axis=axis)),
        ("p5", lambda v, axis: np.quantile(v, 0.05, axis=axis)),
    ],
)
def test_intervals_are_scipys_percentile_bootstrap(name: str, statistic: object) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).gamma(2, 1, 300)
    found = summarize(values, **SETTINGS)[name]
    wanted = stats.bootstrap(
        (values,), statistic, n_resamples=4000, method="percentile", rng=2
    ).confidence_interval
    assert found["value"] == pytest.approx(statistic(values, axis=0))
    assert found["low"] == pytest.approx(wanted.low, abs=0.08)
    assert found["high"] == pytest.approx(wanted.high, abs=0.12)


def test_what_was_not_measured_does_not_count() -> None:
    found = summarize(np.array([1.0, np.nan, 3.0, np.inf]), **SETTINGS)
    assert (found["images"], found["mean"]["value"]) == (2, 2.0)
    assert found["sd"] == pytest.approx(np.sqrt(2))
    assert found["mean"]["low"] == 1.0 and found["mean"]["high"] == 3.0
    nothing = summarize(np.array([np.nan]), **SETTINGS)
    assert nothing["images"] == 0 and nothing["median"] is None


def test_blocks_of_samples_change_nothing_but_the_draws() -> None:
    values = np.random.default_rng(0).normal(size=40_000)
    found = summarize(values, resamples=100, confidence=0.9, seed=0)["mean"]
    half = 1.645 / np.sqrt(40_000)
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.4)
