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
    assert sorted(history.exchange(torch.ones(2, *SHAPE))[:, 0, 0, 0].tolist()) == [0.0, 1.0]


def test_slots_do_not_depend_on_other_generators() -> None:
    given = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        given.append(filled(8).exchange(torch.zeros(5, *SHAPE)))
    assert given[0].equal(given[1])


def test_the_seed_decides_the_slots() -> None:
    first, second = HistoryBuffer(64, SHAPE, seed=1), HistoryBuffer(64, SHAPE, seed=2)
    images = torch.arange(64.0).view(-1, 1, 1, 1).expand(-1, *SHAPE)
    for history in (first, second):
        history.push(images)
    new = torch.zeros(8, *SHAPE)
    assert not first.exchange(new).equal(second.exchange(new))


def test_gradients_do_not_enter_the_history() -> None:
    history = HistoryBuffer(4, SHAPE)
    history.push(torch.ones(2, *SHAPE, requires_grad=True))
    assert not history.exchange(torch.ones(2, *SHAPE, requires_grad=True)).requires_grad
    assert not history.exchange(torch.ones(2, *SHAPE, requires_grad=True)).requires_grad
    assert not history.images.requires_grad


def test_restoring_keeps_the_tensors_that_a_captured_graph_holds() -> None:
    history = filled(8)
    addresses = history.images.data_ptr(), history.slots.data_ptr()
    history.load_state_dict({k: v.clone() for k, v in filled(8).state_dict().items()})
    assert (history.images.data_ptr(), history.slots.data_ptr()) == addresses


@pytest.mark.parametrize("length", [16, 5056])
def test_the_generator_of_an_earlier_version_seeds_the_slots(length: int) -> None:
    """torch's generators have states of 16 bytes on CUDA and 5056 on the CPU."""
    state = {"images": torch.rand(6, *SHAPE), "slots": torch.zeros(length, dtype=torch.uint8)}
    slots = []
    for seed in (1, 2):
        history = HistoryBuffer(6, SHAPE, seed=seed)
        history.load_state_dict(state)
        slots.append(history.slots.tolist())
    other = HistoryBuffer(6, SHAPE)
    other.load_state_dict({**state, "slots": state["slots"] + 1})
    assert slots[0] == slots[1] != other.slots.tolist()
    assert slots[0][1] == 0
