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


def test_exchange_changes_exactly_half_a_batch_of_slots() -> None:
    history = HistoryBuffer(20, SHAPE, seed=5)
    history.push(numbered(0, 20))
    for step in range(50):
        before = history.images.clone()
        new = numbered(1000 + 8 * step, 8)
        old = history.exchange(new)
        changed = (history.images != before).flatten(1)
        assert changed.any(1).sum() == 8
        assert changed.any(1).equal(changed.all(1)), "whole images are replaced, never pixels"
        assert set(new[:, 0, 0, 0].tolist()) <= set(history.images[:, 0, 0, 0].tolist())
        given = set(old[:, 0, 0, 0].tolist())
        assert len(given) == 8, "different images are given"
        assert given <= set(before[:, 0, 0, 0].tolist()), "out of the contents before"


def test_a_full_push_that_tops_up_overwrites_nothing_new() -> None:
    history = HistoryBuffer(10, SHAPE, seed=1)
    history.push(numbered(0, 8))
    history.push(numbered(100, 6))  # two free slots, four replaced
    present = numbers_in(history)
    assert set(range(100, 106)) <= set(present)
    assert sum(number < 100 for number in present) == 4


def chi_square(counts: np.ndarray, share: float, rounds: int) -> float:
    """Each count is a sum of Bernoulli(share): chi-square of len(counts) - 1 degrees of freedom,
    scaled by the variance of drawing without replacement."""
    expected = rounds * share
    scale = (len(counts) - 1) / len(counts) / (1 - share)
    return float(((counts - expected) ** 2 / expected).sum() * scale)


def test_replaced_and_given_slots_are_uniform_and_independent() -> None:
    history = HistoryBuffer(16, (1, 1, 1), seed=11)
    replaced, given, both = np.zeros(16), np.zeros(16), np.zeros(16)
    places = torch.arange(16.0).view(-1, 1, 1, 1)
    history.push(places)
    rounds = 4000
    for _ in range(rounds):
        history.images.copy_(places)
        old = history.exchange(torch.full((4, 1, 1, 1), -1.0)).flatten().long().numpy()
        gone = history.images.flatten().numpy() < 0
        assert gone.sum() == 4
        replaced[gone] += 1
        given[old] += 1
        both[old] += gone[old]
    # 37.7 is exceeded with probability 0.001.
    assert chi_square(replaced, 4 / 16, rounds) < 37.7
    assert chi_square(given, 4 / 16, rounds) < 37.7
    expected = rounds / 16
    assert ((both - expected) ** 2 / expected).sum() < 39.3  # 16 degrees of freedom


def test_given_images_come_from_all_of_the_history_not_its_first_slots() -> None:
    history = HistoryBuffer(12, SHAPE, seed=3)
    seen = set()
    for _ in range(60):
        history.load_state_dict({"images": numbered(0, 12), "slots": history.slots})
        seen |= {int(image.flatten()[0]) for image in history.exchange(numbered(50, 4))}
    assert seen == set(range(12))


def test_a_filling_history_gives_older_images_and_keeps_every_new_one() -> None:
    history = HistoryBuffer(10, SHAPE, seed=4)
    history.push(numbered(0, 4))
    assert set(history.exchange(numbered(4, 4))[:, 0, 0, 0].tolist()) == {0, 1, 2, 3}
    assert numbers_in(history) == list(range(8))
    given = set(history.exchange(numbered(100, 4))[:, 0, 0, 0].tolist())
    present = numbers_in(history)
    assert len(given) == 4
    assert given <= set(range(8))
    assert set(range(100, 104)) <= set(present)
    assert len(present) == 10


def test_given_images_are_copies_that_later_exchanges_do_not_change() -> None:
    history = HistoryBuffer(4, SHAPE)
    history.push(numbered(0, 4))
    old = history.exchange(numbered(20, 2))
    kept = old.clone()
    history.exchange(numbered(50, 4))
    assert old.equal(kept)


def test_state_continues_the_same_slots() -> None:
    first, second = HistoryBuffer(8, SHAPE, seed=7), HistoryBuffer(8, SHAPE, seed=99)
    first.push(numbered(0, 8))
    first.exchange(numbered(50, 4))
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    for push in range(5):
        new = numbered(100 * push, 4)
        assert first.exchange(new).equal(second.exchange(new))
        assert first.images.equal(second.images)


def test_too_many_images_at_once_are_refused() -> None:
    history = HistoryBuffer(3, SHAPE)
    with pytest.raises(ValueError, match="at most 3 images fit into the history, got 4"):
        history.push(numbered(0, 4))


def test_more_than_it_holds_cannot_be_exchanged() -> None:
    history = HistoryBuffer(8, SHAPE)
    history.push(numbered(0, 3))
    with pytest.raises(ValueError, match="at most 3 images, as many as the history, got 4"):
        history.exchange(numbered(0, 4))
