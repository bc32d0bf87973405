"""Fresh discriminators: chance for one set, certainty for two; only their seed counts."""

import math

import numpy as np
import pytest
import torch
from tiny_realism import eyes, images_of, worse

from simgan.engine.evaluation.realism.classifier import (
    Answers,
    Training,
    ask,
    halves,
    right,
    summarize,
)

stats = pytest.importorskip("scipy.stats")
QUICK = Training(steps=25, batch=16)


def test_two_samples_of_one_set_are_not_told_apart() -> None:
    parts = halves(eyes("camera", 160, 1), eyes("camera", 160, 2), seed=0)
    found = summarize([ask(parts, QUICK, seed) for seed in (0, 1)], [0, 1], 0.95)
    assert found.image_low <= 0.5 <= found.image_high
    assert abs(found.patch_accuracy - 0.5) < 0.06
    assert found.tested == 80


def test_obviously_different_sets_are_told_apart() -> None:
    noisy = worse(eyes("camera", 160, 1), "noise", 40)
    found = ask(halves(noisy, eyes("camera", 160, 2), seed=0), QUICK, 0)
    assert found.patch_accuracy > 0.9
    assert found.right.mean() > 0.95


def test_halves_are_disjoint_and_classes_equal() -> None:
    refined, real = eyes("synthetic", 61, 1), eyes("camera", 100, 1)
    parts = halves(refined, real, seed=3)
    sizes = [len(its) for its in (parts.refined, parts.real, parts.refined_test, parts.real_test)]
    assert sizes == [30, 30, 30, 30]
    assert not set(parts.refined.names) & set(parts.refined_test.names)
    assert not set(parts.real.names) & set(parts.real_test.names)
    assert halves(refined, real, seed=4).real.names != parts.real.names


def test_answers_depend_on_the_seed_alone() -> None:
    parts = halves(eyes("synthetic", 60, 1), eyes("camera", 60, 1), seed=0)
    quick = Training(steps=3, batch=4)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = ask(parts, quick, 7)
    assert torch.get_rng_state().equal(before)
    torch.manual_seed(2)
    assert np.array_equal(ask(parts, quick, 7).scores, first.scores)
    assert not np.array_equal(ask(parts, quick, 8).scores, first.scores)


def test_what_is_raised_between_updates_ends_the_training() -> None:
    class Enough(Exception):  # noqa: N818
        pass

    def between() -> None:
        raise Enough

    parts = halves(eyes("synthetic", 60, 1), eyes("camera", 60, 1), seed=0)
    with pytest.raises(Enough):
        ask(parts, QUICK, 0, between)


def test_a_summary_is_of_shares_seeds_and_one_verdict_per_image() -> None:
    answers = [
        Answers(0.6, np.array([1.0, -1.0, 2.0, -1.0, 3.0, -1.0])),
        Answers(0.8, np.array([1.0, 3.0, -1.0, -1.0, -4.0, -1.0])),
    ]
    assert right(answers[0].scores).tolist() == [True, False, True, True, False, True]
    found = summarize(answers, [4, 5], 0.95)
    assert found.patch_accuracy == pytest.approx(0.7)
    half = stats.t.ppf(0.975, 1) * np.std([0.6, 0.8], ddof=1) / math.sqrt(2)
    assert found.patch_high - found.patch_low == pytest.approx(2 * half)
    # Mean scores: 1, 1, 0.5 of refined images and -1, -0.5, -1 of real ones: all right.
    assert found.image_accuracy == 1.0
    expected = stats.binomtest(6, 6).proportion_ci(0.95, method="exact")
    assert (found.image_low, found.image_high) == pytest.approx((expected.low, expected.high))
    assert found.seeds == [(4, 0.6, pytest.approx(4 / 6)), (5, 0.8, pytest.approx(5 / 6))]
    assert math.isnan(summarize(answers[:1], [4], 0.95).patch_low)


def test_colour_images_of_other_sizes_work() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 50, 40, 44, 3), np.uint8)
    parts = halves(images_of(pixels[0]), images_of(pixels[1]), seed=0)
    assert ask(parts, Training(steps=1, batch=2), 0).scores.shape == (50,)
