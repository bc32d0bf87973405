"""Bug 1 of public implementations: the history is dead, partial, or swaps pixels."""

import numpy as np
import pytest
import torch

from simgan.engine.history import HistoryBuffer

SHAPE = (1, 3, 5)


def numbered(start: int, count: int) -> torch.Tensor:
    """Images whose every pixel is the image's own number."""
    numbers = torch.arange(start, start + count, dtype=torch.float32)
    return numbers.view(-1, 1, 1, 1).expand(-1, *SHAPE).contiguous()


def numbers_in(history: HistoryBuffer) -> list[int]:
    return [int(image.flatten()[0]) for image in history.images[: len(history)]]


def test_history_fills_then_never_grows() -> None:
    history = HistoryBuffer(10, SHAPE)
    sizes = []
    for push in range(6):
        history.push(numbered(4 * push, 4))
        sizes.append(len(history))
    assert sizes == [4, 8, 10, 10, 10, 10]
    assert history.images.shape[0] == 10


def test_filling_keeps_every_image() -> None:
    history = HistoryBuffer(12, SHAPE)
    for push in range(3):
        history.push(numbered(4 * push, 4))
    assert numbers_in(history) == list(range(12))


def test_push_changes_exactly_half_a_batch_of_slots() -> None:
    history = HistoryBuffer(20, SHAPE, seed=5)
    history.push(numbered(0, 20))
    for push in range(50):
        before = history.images.clone()
        new = numbered(1000 + 8 * push, 8)
        history.push(new)
        changed = (history.images != before).flatten(1)
        assert changed.any(1).sum() == 8
        assert changed.any(1).equal(changed.all(1)), "whole images are replaced, never pixels"
        assert set(new[:, 0, 0, 0].tolist()) <= set(history.images[:, 0, 0, 0].tolist())


def test_a_full_push_that_tops_up_overwrites_nothing_new() -> None:
    history = HistoryBuffer(10, SHAPE, seed=1)
    history.push(numbered(0, 8))
    history.push(numbered(100, 6))  # two free slots, four replaced
    present = numbers_in(history)
    assert set(range(100, 106)) <= set(present)
    assert sum(number < 100 for number in present) == 4


def test_replaced_slots_are_uniform() -> None:
    history = HistoryBuffer(16, (1, 1, 1), seed=11)
    history.push(torch.zeros(16, 1, 1, 1))
    counts = np.zeros(16)
    rounds = 4000
    for _ in range(rounds):
        counts[history.draw_slots(4).numpy()] += 1
    expected = rounds * 4 / 16
    # Each count is a sum of Bernoulli(1/4). The statistic has 15 degrees of freedom (p = 0.999 at
    # 37.7), scaled by the variance of drawing without replacement.
    chi2 = ((counts - expected) ** 2 / (expected * (1 - 4 / 16))).sum() * 15 / 16
    assert chi2 < 37.7


def test_slots_are_distinct() -> None:
    history = HistoryBuffer(9, SHAPE, seed=2)
    history.push(numbered(0, 9))
    for _ in range(200):
        assert history.draw_slots(6).unique().numel() == 6


def test_samples_come_from_all_of_the_history_not_its_first_slots() -> None:
    history = HistoryBuffer(12, SHAPE, seed=3)
    history.push(numbered(0, 12))
    seen = {int(image.flatten()[0]) for _ in range(60) for image in history.sample(4)}
    assert seen == set(range(12))


def test_sample_is_a_copy_that_later_pushes_do_not_change() -> None:
    history = HistoryBuffer(4, SHAPE)
    history.push(numbered(0, 4))
    sample = history.sample(2)
    kept = sample.clone()
    history.push(numbered(50, 4))
    assert sample.equal(kept)


def test_state_continues_the_same_slots() -> None:
    first, second = HistoryBuffer(8, SHAPE, seed=7), HistoryBuffer(8, SHAPE, seed=99)
    first.push(numbered(0, 8))
    first.sample(4)
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    for push in range(5):
        first.push(numbered(100 * push, 4))
        second.push(numbered(100 * push, 4))
        assert first.sample(4).equal(second.sample(4))
        assert first.images.equal(second.images)


def test_too_many_images_at_once_are_refused() -> None:
    history = HistoryBuffer(3, SHAPE)
    with pytest.raises(ValueError, match="at most 3 images fit into the history, got 4"):
        history.push(numbered(0, 4))
