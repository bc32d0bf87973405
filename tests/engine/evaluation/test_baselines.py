"""Simple estimators against NumPy."""

import numpy as np
import pytest
from tiny_evaluate import eye_images, image_array, labelled, tiny_config

from simgan.engine.evaluation import baselines
from simgan.engine.evaluation.baselines import ALPHAS, NEIGHBOURS, mean_label, on_pixels
from simgan.engine.evaluation.gaze import angular_error
from simgan.engine.evaluation.training import Labelled

TRAIN, CHOOSE = labelled(50), labelled(20, 1)
TEST = image_array(np.concatenate((eye_images(6, 2), eye_images(50)[[7, 31]])))


def seen(images: np.ndarray) -> np.ndarray:
    """Standardized pixels [N, 1925], float64."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    return (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)


def neighbours(x: np.ndarray, k: int) -> np.ndarray:
    distance = ((x[:, None] - seen(TRAIN.images.images)[None]) ** 2).sum(-1)
    nearest = np.argsort(distance, axis=1)[:, :k]
    return TRAIN.truth[nearest].mean(axis=1)


def ridge(x: np.ndarray, alpha: float) -> np.ndarray:
    """In its dual form: y + (x - m) A' (A A' + alpha 1)^-1 (Y - y), A the centred pixels."""
    pixels = seen(TRAIN.images.images)
    m, y = pixels.mean(0), TRAIN.truth.mean(0)
    a = pixels - m
    weights = a.T @ np.linalg.solve(a @ a.T + alpha * np.eye(50), TRAIN.truth - y)
    return y + (x - m) @ weights


def test_the_mean_is_that_of_the_training_rows() -> None:
    rows = np.array([1, 4, 9])
    found = mean_label(Labelled(TRAIN.images, TRAIN.truth, rows), TEST)
    assert found.predicted == pytest.approx(np.tile(TRAIN.truth[rows].mean(0), (8, 1)))
    assert (found.name, found.count) == ("mean", 3)


def test_neighbours_and_ridge_are_numpys_and_validation_chooses() -> None:
    pytest.importorskip("sklearn")
    knn, linear = on_pixels(TRAIN, CHOOSE, TEST, tiny_config())
    x, truth = seen(CHOOSE.images.images), CHOOSE.truth
    usable = [k for k in NEIGHBOURS if k <= 50]
    k = min(usable, key=lambda k: angular_error(neighbours(x, k), truth).mean())
    alpha = min(ALPHAS, key=lambda alpha: angular_error(ridge(x, alpha), truth).mean())
    assert (knn.setting, linear.setting) == (f"k = {k}", f"alpha = {alpha:g}")
    tested = seen(TEST.images)
    assert knn.predicted == pytest.approx(neighbours(tested, k), abs=1e-6)
    assert linear.predicted == pytest.approx(ridge(tested, alpha), abs=1e-4)


def test_of_very_many_images_an_even_selection_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(baselines, "MOST", 25)
    monkeypatch.setattr(baselines, "NEIGHBOURS", (1,))
    (knn, _) = on_pixels(TRAIN, CHOOSE, TEST, tiny_config())
    assert knn.count == 25
    # Two of the test images are rows 7 and 31; every second one is used.
    used = np.linspace(0, 49, 25).round().astype(int)
    for row, image in ((7, 6), (31, 7)):
        near = knn.predicted[image] == pytest.approx(TRAIN.truth[row])
        assert near == (row in used)
