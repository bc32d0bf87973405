"""Binomial test, Clopper-Pearson interval and power, against scipy and the paper."""

import math

import pytest

from simgan.engine.evaluation.binomial import (
    clopper_pearson,
    detectable,
    p_better,
    p_two_sided,
)

stats = pytest.importorskip("scipy.stats", reason="needs scipy to compare with")

CASES = [
    *((k, n) for n in (1, 2, 5, 6, 7) for k in range(n + 1)),
    *((k, 20) for k in range(0, 21, 3)),
    *((k, 100) for k in (0, 1, 37, 49, 50, 51, 63, 99, 100)),
    *((k, 1000) for k in (0, 224, 483, 500, 517, 545, 999)),
    *((k, 10_000) for k in (4_800, 5_000, 5_101, 6_000)),
]


def test_p_values_are_those_of_scipy() -> None:
    for right, answers in CASES:
        both = stats.binomtest(right, answers).pvalue
        better = stats.binomtest(right, answers, alternative="greater").pvalue
        assert p_two_sided(right, answers) == pytest.approx(both, rel=1e-9, abs=1e-300)
        assert p_better(right, answers) == pytest.approx(better, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_intervals_are_those_of_scipy(confidence: float) -> None:
    for right, answers in CASES:
        exact = stats.binomtest(right, answers).proportion_ci(confidence, method="exact")
        found = clopper_pearson(right, answers, confidence)
        assert found == pytest.approx(exact, abs=1e-9), (right, answers)


def test_the_papers_p_is_one_sided() -> None:
    """517 of 1,000: the paper prints p = 0.148, which is the chance of 517 or more by guessing."""
    assert p_better(517, 1000) == pytest.approx(0.148, abs=5e-4)
    assert p_two_sided(517, 1000) == pytest.approx(0.297, abs=5e-4)
    assert p_better(162, 200) <= 1e-8, "raw synthetic images, as the paper says"


@pytest.mark.parametrize("accuracy", [0.5, 0.6, 0.8])
def test_intervals_cover_as_often_as_they_say(accuracy: float) -> None:
    chances = stats.binom.pmf(range(101), 100, accuracy)
    covering = [
        low <= accuracy <= high for low, high in (clopper_pearson(k, 100) for k in range(101))
    ]
    assert 0.95 <= sum(chances[covering]) <= 0.98


@pytest.mark.parametrize("answers", [6, 20, 21, 100, 1000])
def test_the_detectable_accuracy_has_the_power_that_it_claims(answers: int) -> None:
    found = detectable(answers)
    assert found is not None
    significant = [k for k in range(answers + 1) if p_two_sided(k, answers) <= 0.05]
    assert stats.binom.pmf(significant, answers, found).sum() == pytest.approx(0.8, abs=1e-9)
    assert stats.binom.pmf(significant, answers, found - 0.01).sum() < 0.8


def test_a_thousand_answers_find_what_the_plan_says() -> None:
    assert detectable(1000) == pytest.approx(0.545, abs=1e-3)
    assert detectable(100) == pytest.approx(0.645, abs=1e-3)
    assert [detectable(n) for n in range(1, 6)] == [None] * 5, "5 of 5 right has p = 1/16"


def test_the_extremes_are_exact() -> None:
    assert p_better(0, 10) == 1 and p_two_sided(5, 10) == 1
    assert p_better(10, 10) == 2**-10
    assert clopper_pearson(0, 3)[0] == 0 and clopper_pearson(3, 3)[1] == 1
    assert clopper_pearson(3, 3)[0] == pytest.approx(0.025 ** (1 / 3))
    assert math.isclose(p_two_sided(2000, 2000), 2.0**-1999)


@pytest.mark.parametrize(
    ("right", "answers", "confidence", "sentence"),
    [
        (11, 10, 0.95, "right must be between 0 and answers = 10, got 11"),
        (-1, 10, 0.95, "right must be between 0 and answers = 10, got -1"),
        (0, 0, 0.95, "answers must be at least 1, got 0"),
        (1, 2, 1.0, "confidence must lie between 0 and 1, got 1.0"),
    ],
)
def test_impossible_counts_are_named(
    right: int, answers: int, confidence: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        clopper_pearson(right, answers, confidence)
