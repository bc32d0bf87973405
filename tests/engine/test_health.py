"""Health rules: a planted failure speaks once within its patience, a healthy run never."""

import pytest
import torch

from simgan.engine.health import PATIENCE, HealthRules
from simgan.engine.step import _appearance

HEALTHY = {
    "mean_abs_change": 0.08,
    "refined_contrast": 0.4,
    "synthetic_contrast": 0.5,
    "real_contrast": 0.45,
    "refined_color": 0.1,
    "synthetic_color": 0.15,
    "d_accuracy_real": 0.7,
    "d_accuracy_refined": 0.65,
}
FAILURES = {
    "refiner is identity": {"mean_abs_change": 0.001},
    "refined images lose their contrast": {"refined_contrast": 0.2},
    "refined images are nearly gray": {"refined_color": 0.001},
    "discriminator is always right": {"d_accuracy_real": 0.98, "d_accuracy_refined": 0.98},
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
    assert HealthRules().check({**HEALTHY, "synthetic_contrast": 0.0}) == []


def appearance(refined: torch.Tensor, synthetic: torch.Tensor) -> dict[str, float]:
    """What a refiner update reports of its images, with the discriminator's part added."""
    found = _appearance(refined, synthetic)
    return {**HEALTHY, **{name: float(value) for name, value in found.items()}}


def warnings_of(metrics: dict[str, float]) -> list[str]:
    rules = HealthRules()
    return [words for _ in range(PATIENCE) for words in rules.check(metrics)]


def test_one_saturated_colour_everywhere_is_a_collapse() -> None:
    synthetic = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand_as(synthetic)
    (words,) = warnings_of(appearance(red, synthetic))
    assert words.startswith("refined images lose their contrast")


def test_colours_that_turn_gray_are_noticed_and_gray_images_are_not() -> None:
    synthetic = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    gray = synthetic.mean(dim=1, keepdim=True) * 1.5
    (words,) = warnings_of(appearance(gray.expand_as(synthetic), synthetic))
    assert words.startswith("refined images are nearly gray")
    gray = synthetic[:, :1]
    for copies in (1, 3):
        same = gray.expand(-1, copies, -1, -1)
        assert warnings_of(appearance(same * 0.5, same)) == []
