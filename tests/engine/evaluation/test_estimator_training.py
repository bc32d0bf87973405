"""Training an estimator: images and their labels, what a seed decides, which step is kept."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_evaluate import eye_images, image_array, labelled, tiny_config
from torch import Tensor

from simgan.engine.errors import DivergedError
from simgan.engine.evaluation import gaze_task, training
from simgan.engine.evaluation.gaze import angular_error
from simgan.engine.evaluation.gaze_estimator import GazeEstimator, euclidean_loss
from simgan.engine.evaluation.gaze_task import GAZE
from simgan.engine.evaluation.training import Fit, Labelled, RowOrder, fit, looked_at, predict
from simgan.engine.observer import SilentObserver
from simgan.engine.precision import Precision

CPU = Precision(torch.device("cpu"))


def use_loss(monkeypatch: pytest.MonkeyPatch, loss: Any) -> None:
    """Train with another loss."""
    monkeypatch.setattr(training, "task_of", lambda config: replace(GAZE, loss=loss))


class Ticks(SilentObserver):
    def __init__(self) -> None:
        self.ticks: list[dict[str, float]] = []

    def tick(self, metrics: dict[str, float]) -> None:
        self.ticks.append(metrics)


def fitted(
    train: Labelled | None = None, seed: int = 0, observer: Any = None, **changes: Any
) -> tuple[Fit, np.ndarray]:
    """A fit on noise, and its predictions of other noise."""
    config = tiny_config(**changes)
    train = train or labelled(30)
    network = fit(train, labelled(12, 5), config, seed, CPU, observer or SilentObserver())
    test = looked_at(image_array(eye_images(9, 7)), CPU.device)
    return network, predict(network.network, test, np.arange(9), config, CPU)


def test_an_order_of_rows_is_the_order_of_their_number() -> None:
    rows = np.array([3, 5, 8, 9, 20])
    order, plain = RowOrder(rows, 4, "estimator"), RowOrder(np.arange(5), 4, "estimator")
    assert order.slice(2, 13).tolist() == rows[plain.slice(2, 13).numpy()].tolist()
    assert set(order.slice(0, 5).tolist()) == set(rows.tolist())


def test_every_image_meets_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 40
    images = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 35, 55, 1))
    gaze = np.tile(np.arange(count, dtype=np.float64)[:, None] + 1, (1, 3))
    rows = np.arange(3, count, 2)
    seen: list[Tensor] = []
    met: list[Tensor] = []

    def look(x: Tensor, rule: str) -> Tensor:
        if x.requires_grad or not torch.is_inference_mode_enabled():
            seen.append(x[:, 0, 0, 0])
        return x

    def compare(predicted: Tensor, true: Tensor) -> Tensor:
        met.append(true[:, 0])
        return euclidean_loss(predicted, true)

    monkeypatch.setattr(gaze_task, "standardized", look)
    use_loss(monkeypatch, compare)
    fitted(Labelled(image_array(images), gaze, rows), steps=9)
    index = ((torch.cat(seen) + 1) * 127.5).round()
    assert len(index) == 9 * 8
    assert index.equal(torch.cat(met) - 1)
    assert set(index.int().tolist()) == set(rows.tolist()), "all rows, and no other"


def test_a_seed_decides_everything() -> None:
    (first, a), (second, b) = fitted(seed=3), fitted(seed=3)
    assert np.array_equal(a, b)
    assert first.history == second.history
    assert not np.array_equal(a, fitted(seed=4)[1])


def test_arms_of_one_size_start_with_the_same_weights_and_see_images_in_one_order() -> None:
    """Two arms with the same images are the same estimator."""
    assert np.array_equal(fitted(labelled(30))[1], fitted(labelled(30))[1])
    assert not np.array_equal(fitted(labelled(30))[1], fitted(labelled(30, 1))[1])


def test_the_step_of_the_least_validation_error_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([9.0, 5.0, 7.0, 5.0])
    weights: list[Tensor] = []

    def look(network: GazeEstimator, *rest: Any) -> float:
        weights.append(network.gaze.weight.detach().clone())
        return next(errors)

    monkeypatch.setattr(training, "validation_error", look)
    found, _ = fitted(steps=8)
    assert found.history == [(2, 9.0), (4, 5.0), (6, 7.0), (8, 5.0)]
    assert (found.best_step, found.validation_error) == (4, 5.0)
    assert found.network.gaze.weight.equal(weights[1])
    assert not weights[1].equal(weights[3])


def test_the_validation_error_is_that_of_the_rows() -> None:
    config, some = tiny_config(), np.array([1, 4, 5])
    validation = labelled(12, 5)
    found = fit(labelled(30), replace(validation, rows=some), config, 0, CPU, SilentObserver())
    looked = looked_at(validation.images, CPU.device)
    predicted = predict(found.network, looked, some, config, CPU)
    assert angular_error(predicted, validation.truth[some]).mean() == found.validation_error


def test_the_last_step_is_looked_at_too_and_the_observer_hears_of_it() -> None:
    ticks = Ticks()
    found, _ = fitted(observer=ticks, steps=5)
    assert [step for step, _ in found.history] == [2, 4, 5]
    assert [tick["step"] for tick in ticks.ticks] == [2, 4, 5]
    assert [tick["validation_error"] for tick in ticks.ticks] == [e for _, e in found.history]
    assert ticks.ticks[-1]["eta_s"] == 0


def test_the_loss_told_is_the_mean_since_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []

    def listen(predicted: Tensor, true: Tensor) -> Tensor:
        value = euclidean_loss(predicted, true)
        losses.append(value.item())
        return value

    use_loss(monkeypatch, listen)
    ticks = Ticks()
    fitted(observer=ticks, steps=5)
    told = [tick["estimator_loss"] for tick in ticks.ticks]
    assert told == pytest.approx([np.mean(losses[:2]), np.mean(losses[2:4]), losses[4]])


def test_an_estimator_that_diverges_says_at_which_step() -> None:
    broken = labelled(30)
    with pytest.raises(DivergedError, match="predicts what is no direction at step 2") as info:
        fitted(replace(broken, truth=broken.truth * np.nan))
    assert info.value.exit_code == 5


def test_training_images_are_changed_alike_in_every_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    look = gaze_task.standardized

    def listen(x: Tensor, rule: str) -> Tensor:
        if not torch.is_inference_mode_enabled():
            seen.append(x)
        return look(x, rule)

    monkeypatch.setattr(gaze_task, "standardized", listen)
    images = image_array(eye_images(30))
    for gaze_of in (0, 1):
        for changes in ({}, {"shift": 3}, {"jitter": 0.5}):
            fitted(replace(labelled(30, gaze_of), images=images), steps=2, **changes)
    plain, moved, rough, *again = [torch.stack(seen[i : i + 2]) for i in range(0, 12, 2)]
    assert plain.equal(again[0]) and moved.equal(again[1]) and rough.equal(again[2])
    assert not plain.equal(moved) and not plain.equal(rough)


@pytest.mark.parametrize("changes", [{"channels_last": True}, {"standardize": "none"}], ids=str)
def test_variants_train(changes: dict[str, Any]) -> None:
    config = tiny_config(**changes)
    precision = Precision.choose(CPU.device, amp=False, channels_last=config.channels_last)
    found = fit(labelled(30), labelled(12, 5), config, 0, precision, SilentObserver())
    assert found.best_step in (2, 4)


def test_predictions_do_not_depend_on_how_images_are_parted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = fitted()[1]
    monkeypatch.setattr(training, "task_of", lambda config: replace(GAZE, chunk=4))
    assert fitted()[1] == pytest.approx(whole, abs=1e-6)


def test_the_rate_falls_along_half_a_cosine_where_it_is_asked_to() -> None:
    config = tiny_config(lr=0.01, steps=4, schedule="cosine")
    rates = [training.learning_rate(config, step) for step in range(4)]
    assert rates == pytest.approx([0.01, 0.01 * (2 + 2**0.5) / 4, 0.005, 0.01 * (2 - 2**0.5) / 4])
    constant = tiny_config(lr=0.01, steps=4)
    assert {training.learning_rate(constant, step) for step in range(4)} == {0.01}
    ends = [fitted(schedule=kind, steps=6)[1] for kind in ("constant", "cosine")]
    assert not np.array_equal(*ends)
