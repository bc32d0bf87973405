"""The test by permutation of the truth over images."""

from itertools import combinations

import numpy as np
import pytest

from simgan.engine.evaluation.binomial import p_two_sided
from simgan.engine.evaluation.turing.by_image import p_by_image


def exact(real: np.ndarray, called_real: np.ndarray, answers: np.ndarray) -> float:
    """Share of all ways to deal the truth with at least as uncommon a number of right answers."""

    def right(truth: np.ndarray) -> int:
        return int(np.where(truth, called_real, answers - called_real).sum())

    counts = []
    for chosen in combinations(range(len(real)), int(real.sum())):
        truth = np.isin(np.arange(len(real)), chosen)
        counts.append(right(truth))
    center = np.mean(counts)
    return float(np.mean(np.abs(counts - center) >= abs(right(real) - center) - 1e-9))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_share_of_all_permutations(seed: int) -> None:
    generator = np.random.default_rng(seed)
    real = generator.permutation(np.arange(10) < 5)
    answers = generator.integers(0, 4, 10)
    called_real = generator.binomial(answers, np.where(real, 0.8, 0.4))
    found = p_by_image(real, called_real, answers)
    # 20,000 permutations: a standard error of at most 0.0035.
    assert found == pytest.approx(exact(real, called_real, answers), abs=0.015)


def test_what_everybody_sees_is_as_rare_as_a_permutation_can_be() -> None:
    real = np.arange(40) < 20
    answers = np.full(40, 3)
    assert p_by_image(real, 3 * real, answers) == 1 / 20_001
    assert p_by_image(real, np.zeros(40, np.int64), answers) == 1, "the same answer to all"


def test_it_holds_its_level_where_raters_agree_and_the_binomial_test_does_not() -> None:
    """Ten raters agree on what looks real, and that has nothing to do with what is real."""
    generator = np.random.default_rng(5)
    real = np.arange(40) < 20
    answers = np.full(40, 10)
    by_image, binomial = [], []
    for trial in range(300):
        looks = generator.permutation(real)
        called_real = np.where(looks, 9, 1)
        right = int(np.where(real, called_real, 10 - called_real).sum())
        by_image.append(p_by_image(real, called_real, answers, permutations=500, seed=trial))
        binomial.append(p_two_sided(right, 400))
    assert np.mean(np.array(by_image) <= 0.05) <= 0.08  # 0.05 and two standard errors
    assert np.mean(np.array(binomial) <= 0.05) >= 0.3
