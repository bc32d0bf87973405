"""The history's refusals and its state; how it fills and replaces is in conformance/test_1."""

import pytest
import torch

from simgan.engine.history import HistoryBuffer

SHAPE = (1, 2, 3)


def filled(count: int, capacity: int = 8) -> HistoryBuffer:
    history = HistoryBuffer(capacity, SHAPE, seed=1)
    history.push(torch.arange(count).float().view(-1, 1, 1, 1).expand(-1, *SHAPE))
    return history


def test_a_history_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, got 0"):
        HistoryBuffer(0, SHAPE)


def test_more_than_it_holds_cannot_be_sampled() -> None:
    with pytest.raises(ValueError, match="at most the 3 images in the history, got 4"):
        filled(3).sample(4)


def test_the_state_holds_only_the_images_in_use() -> None:
    assert filled(3).state_dict()["images"].shape == (3, *SHAPE)


def test_a_history_may_grow_on_resume_but_not_shrink_below_its_images() -> None:
    state = filled(5).state_dict()
    larger = HistoryBuffer(20, SHAPE)
    larger.load_state_dict(state)
    assert len(larger) == 5
    assert larger.images[:5].equal(state["images"])
    with pytest.raises(ValueError, match="does not fit into"):
        HistoryBuffer(4, SHAPE).load_state_dict(state)


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit into"):
        HistoryBuffer(8, (1, 3, 2)).load_state_dict(filled(5).state_dict())


def test_restoring_forgets_what_was_there() -> None:
    history = filled(8)
    history.load_state_dict({k: v.clone() for k, v in filled(2).state_dict().items()})
    assert len(history) == 2
    assert sorted(history.sample(2)[:, 0, 0, 0].tolist()) == [0.0, 1.0]


def test_slots_do_not_depend_on_other_generators() -> None:
    torch.manual_seed(1)
    first = filled(8).draw_slots(5)
    torch.manual_seed(2)
    assert filled(8).draw_slots(5).equal(first)


def test_gradients_do_not_enter_the_history() -> None:
    history = HistoryBuffer(4, SHAPE)
    history.push(torch.ones(2, *SHAPE, requires_grad=True))
    assert not history.images.requires_grad


def test_the_generator_of_another_kind_of_device_seeds_a_new_one() -> None:
    state = {"images": torch.rand(6, 1, 2, 3), "slots": torch.arange(16, dtype=torch.uint8)}
    drawn = []
    for seed in (1, 2):
        history = HistoryBuffer(6, (1, 2, 3), seed=seed)
        history.load_state_dict(state)
        drawn.append(history.draw_slots(6).tolist())
    other = HistoryBuffer(6, (1, 2, 3))
    other.load_state_dict({**state, "slots": state["slots"] + 1})
    assert drawn[0] == drawn[1] != other.draw_slots(6).tolist()
