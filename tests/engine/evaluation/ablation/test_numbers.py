"""The table's arithmetic against known answers and SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from simgan.engine.evaluation.ablation.numbers import (
    fluctuation,
    holm,
    over_seeds,
    paired,
    series,
    spread,
    summarize,
)

BASE = [6.1, 5.7, 6.6, 6.0]
ARM = [7.0, 6.1, 7.3, 7.2]


def test_the_interval_of_a_mean_is_students() -> None:
    found = over_seeds(BASE, 0.9)
    low, high = stats.t.interval(0.9, 3, np.mean(BASE), stats.sem(BASE))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(BASE), low, high))


def test_one_seed_has_no_interval() -> None:
    found = over_seeds([5.0], 0.95)
    assert found.value == 5.0 and math.isnan(found.low) and math.isnan(found.high)


def test_the_difference_is_the_paired_t_test_over_seeds() -> None:
    found = paired(BASE, ARM, 0.95)
    assert found is not None
    expected = stats.ttest_rel(BASE, ARM)
    interval = expected.confidence_interval(0.95)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert list(found["difference"].values()) == pytest.approx(
        [np.mean(BASE) - np.mean(ARM), interval.low, interval.high]
    )
    assert found["gain"]["value"] == pytest.approx(1 - np.mean(ARM) / np.mean(BASE))
    assert found["per_seed"] == pytest.approx([b - a for b, a in zip(BASE, ARM, strict=True)])


def test_only_seeds_that_both_have_are_compared() -> None:
    found = paired([*BASE, None, 5.0], [*ARM, 4.0, None], 0.95)
    assert found is not None and found["seeds"] == 4
    assert found["p"] == pytest.approx(stats.ttest_rel(BASE, ARM).pvalue)
    assert paired([None, 5.0], [4.0, None], 0.95) is None


def test_holm_corrects_for_the_number_of_arms() -> None:
    # By hand: 4 * 0.005, 3 * 0.01, max(that, 2 * 0.03), then 0.04 may not be below it.
    assert holm([0.01, 0.04, None, 0.03, 0.005, math.nan]) == pytest.approx(
        [0.03, 0.06, None, 0.06, 0.02, None], nan_ok=True
    )
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_the_jump_between_looks_is_the_noise_and_not_the_trend() -> None:
    assert fluctuation([[5.0, 6.0, 5.0]]) == pytest.approx(math.sqrt(1 / 2))
    assert fluctuation([[5.0, None, 6.0], [4.0]]) is None
    generator = np.random.default_rng(0)
    drifting = np.linspace(9, 6, 2000) + generator.normal(0, 0.4, (3, 2000))
    assert fluctuation(drifting.tolist()) == pytest.approx(0.4, rel=0.05)


def test_spread_is_that_of_a_sample() -> None:
    assert spread(BASE) == pytest.approx(np.std(BASE, ddof=1))
    assert spread([1.0]) is None


def test_series_leaves_out_what_is_missing() -> None:
    assert series([[6.0, 4.0], [8.0, None], [7.0, None]]) == [
        {"mean": 7.0, "spread": 1.0, "least": 6.0, "most": 8.0, "seeds": 3},
        {"mean": 4.0, "spread": None, "least": 4.0, "most": 4.0, "seeds": 1},
    ]


def test_summary_compares_the_last_look_with_base_and_unrefined() -> None:
    curves = {
        "base": [[9.0, error] for error in BASE],
        "arm": [[1.0, error] for error in ARM],
        "lost": [[None, None]] * 4,
    }
    unrefined = {"base": [8.0, 8.1, 8.3, 8.0], "arm": [9.0, 9.1, 9.3, 9.0], "lost": [8.0] * 4}
    found = summarize(curves, unrefined, "base", 0.95)
    assert found["base"]["against_base"] is None
    assert found["base"]["mean"]["value"] == pytest.approx(np.mean(BASE))
    arm = found["arm"]
    assert arm["against_base"]["p_holm"] == arm["against_base"]["p"], "one arm was compared"
    assert arm["against_base"]["difference"]["value"] == pytest.approx(-0.8)
    assert arm["against_unrefined"]["p"] == pytest.approx(
        stats.ttest_rel(unrefined["arm"], ARM).pvalue
    )
    lost = found["lost"]
    assert (lost["mean"], lost["spread"], lost["against_base"]) == (None, None, None)


def test_one_seed_makes_plain_values() -> None:
    found = summarize({"base": [[5.0]], "arm": [[6.0]]}, {"base": [7.0], "arm": [7.0]}, "base", 0.9)
    assert found["base"]["mean"] == {"value": 5.0, "low": None, "high": None}
    against = found["arm"]["against_base"]
    assert (against["p"], against["p_holm"]) == (None, None)
    assert against["difference"] == {"value": -1.0, "low": None, "high": None}
