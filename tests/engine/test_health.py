"""Health rules: a planted failure speaks once within its patience, a healthy run never."""

import pytest

from simgan.engine.health import PATIENCE, HealthRules

HEALTHY = {
    "mean_abs_change": 0.08,
    "refined_contrast": 0.4,
    "synthetic_contrast": 0.5,
    "d_accuracy_real": 0.7,
    "d_accuracy_refined": 0.65,
}
FAILURES = {
    "refiner is identity": {"mean_abs_change": 0.001},
    "refined images are nearly uniform": {"refined_contrast": 0.01},
    "discriminator is always right": {"d_accuracy_real": 1.0, "d_accuracy_refined": 0.999},
    "discriminator calls everything the same": {"d_accuracy_real": 1.0, "d_accuracy_refined": 0.0},
}


def test_a_healthy_run_is_never_warned_of() -> None:
    rules = HealthRules()
    for tick in range(100):
        wave = (tick % 10) / 100
        metrics = {**HEALTHY, "d_accuracy_real": 0.6 + wave, "mean_abs_change": 0.02 + wave}
        assert rules.check(metrics) == []


@pytest.mark.parametrize("text", FAILURES)
def test_a_planted_failure_is_told_once_within_the_patience(text: str) -> None:
    rules = HealthRules()
    said = [rules.check({**HEALTHY, **FAILURES[text]}) for _ in range(4 * PATIENCE)]
    spoken = [(tick, words) for tick, found in enumerate(said) for words in found]
    assert len(spoken) == 1
    tick, words = spoken[0]
    assert tick < PATIENCE
    assert words.startswith(text)


@pytest.mark.parametrize("text", FAILURES)
def test_a_spell_shorter_than_the_patience_is_not_told(text: str) -> None:
    rules = HealthRules()
    for _ in range(5):
        for _ in range(PATIENCE - 1):
            assert rules.check({**HEALTHY, **FAILURES[text]}) == []
        assert rules.check(HEALTHY) == []


def test_a_second_spell_is_told_again() -> None:
    rules = HealthRules()
    failing = {**HEALTHY, "mean_abs_change": 0.0}
    said = []
    for metrics in [failing] * PATIENCE + [HEALTHY] + [failing] * PATIENCE:
        said += rules.check(metrics)
    assert len(said) == 2


def test_a_uniform_synthetic_set_is_no_division_by_zero() -> None:
    HealthRules().check({**HEALTHY, "synthetic_contrast": 0.0})
