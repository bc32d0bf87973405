"""Clopper and Pearson's interval, against SciPy."""

import pytest

from simgan.engine.evaluation.binomial import at_least, exact_interval

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 40), (40, 40), (7, 40), (20, 40), (1700, 2000)]
)
def test_it_is_scipys(successes: int, trials: int, confidence: float) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    found = exact_interval(successes, trials, confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_tails_are_scipys() -> None:
    for successes, probability in ((0, 0.3), (3, 0.3), (12, 0.5), (25, 0.9)):
        expected = stats.binom.sf(successes - 1, 25, probability)
        assert at_least(successes, 25, probability) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 4), (5, 4), (0, 0)])
def test_what_is_no_count_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes must be 0 to trials"):
        exact_interval(successes, trials)
