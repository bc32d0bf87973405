"""Which rows `evaluate --match-labels` trains on: the same labels for every arm."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_evaluate import Ears, angles, save, tiny_config

from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.evaluation import _split, predict_test
from simgan.engine.evaluation.labelled_set import LabelledSet, load_sets
from simgan.engine.evaluation.matched_rows import drawn_rows, match_arms
from simgan.engine.observer import SilentObserver
from simgan.engine.precision import Precision

COUNT = 200


def arms(config: EvaluateConfig) -> list[LabelledSet]:
    return load_sets(config, SilentObserver()).arms


def config_of(folder: Path, asked: str, *counts: int) -> EvaluateConfig:
    """One arm per count; those of one count have the same gaze and other images."""
    paths = [
        f"arm{i}={save(folder / f'{i}.npz', count, seed=i, gaze=angles(count, count))}"
        for i, count in enumerate(counts)
    ]
    test = save(folder / "test.npz", 40, seed=9)
    return tiny_config(train=paths, test=test, match_labels=asked, baselines=False)


def test_ranges_leave_the_same_rows_of_every_arm(tmp_path: Path) -> None:
    config = config_of(tmp_path, "pitch=-18..8,yaw=-9..20", COUNT, COUNT)
    degrees = np.degrees(angles(COUNT, COUNT))
    inside = ((degrees >= (-18, -9)) & (degrees <= (8, 20))).all(axis=1)
    found = []
    for arm, weights in zip(arms(config), match_arms(arms(config), config, Ears()), strict=True):
        training, chooser, _ = _split(arm, weights, None, config)
        found.append((training.rows, chooser.rows))
        both = np.concatenate((training.rows, chooser.rows))
        assert sorted(both.tolist()) == np.flatnonzero(inside).tolist()
    for mine, yours in zip(*found, strict=True):
        assert np.array_equal(mine, yours)


def test_rows_are_drawn_as_often_as_weights_say() -> None:
    rows, weights = np.array([1, 3, 4, 6]), np.array([9.0, 4, 9, 1, 0, 9, 1])
    assert drawn_rows(rows, weights).tolist() == [1, 1, 3]  # in three: 2, 0.5 and 0.5 times
    assert drawn_rows(rows, None) is rows
    assert drawn_rows(np.array([4]), weights).tolist() == []
    generator = np.random.default_rng(0)
    weights = generator.random(1000) * 3
    drawn = np.bincount(drawn_rows(np.arange(1000), weights), minlength=1000)
    assert np.abs(drawn - weights * 1000 / weights.sum()).max() < 1
    assert drawn.sum() == 1000


def test_weights_are_for_the_arms_that_have_the_images(tmp_path: Path) -> None:
    given = np.random.default_rng(0).random(COUNT) * (np.arange(COUNT) % 2)
    np.savez(tmp_path / "label-match.npz", weights=given)
    config = config_of(tmp_path, str(tmp_path / "label-match.npz"), COUNT, COUNT, 60)
    ears = Ears()
    first, second, other = match_arms(arms(config), config, ears)
    assert first is not None and second is not None and other is None
    assert np.array_equal(first, given) and np.array_equal(second, given)
    (warning,) = ears.warnings
    assert "trained on all its images" in warning and "2.npz" in warning
    assert [text.split(":")[0] for text in ears.messages] == ["arm0", "arm1"]
    assert "leaves 100 of 200 images" in ears.messages[0]


def test_weights_that_fit_no_arm_end_before_anything_is_trained(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones(3))
    config = config_of(tmp_path, str(tmp_path / "w.npy"), 60)
    sets = load_sets(config, SilentObserver())
    precision = Precision.choose(torch.device("cpu"), amp=False, channels_last=False)
    with pytest.raises(DataError, match=r"shape \[3\], the set has 60 images"):
        predict_test(sets.arms, None, sets.test.images, config, precision, SilentObserver())


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path, "pitch=80..85", 60)
    with pytest.raises(DataError, match="arm0: match_labels leaves 0 of 60 images, at least 20"):
        match_arms(arms(config), config, Ears())


def test_a_validation_part_without_weights_is_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path, "pitch=-40..40", 60)
    (arm,) = arms(config)
    _, chooser, _ = _split(arm, None, None, config)
    weights = np.ones(60)
    weights[chooser.rows] = 0
    with pytest.raises(DataError, match="0 were held out for validation"):
        _split(arm, weights, None, config)


@pytest.mark.parametrize("asked", ["estimate", "eyes.npz#real_x"])
def test_other_ways_are_for_training_refiners(asked: str) -> None:
    with pytest.raises(ConfigError, match="must be ranges or a file of weights"):
        tiny_config(match_labels=asked)
