"""The history's swap: which slots it draws, that they are random, and what it moves."""

import itertools

import pytest
import torch
from op_cases import DEVICE, runs_on
from torch import Tensor

from simgan.kernels import draw_slots_, history_exchange_
from simgan.kernels.history_exchange.reference import ROUNDS

BACKENDS = runs_on("history_exchange")
EACH = pytest.mark.parametrize("backend", BACKENDS)
STATES = [(0, 0), (-5, 2**32 - 1), (2**40 + 3, 17)]
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def state_of(seed: int, number: int = 0) -> Tensor:
    return torch.tensor([seed, number], device=DEVICE)


def history(
    size: int, count: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """A buffer and new images; every number in them is another one."""
    row = torch.Size(shape).numel()
    buffer = torch.arange(size * row, device=DEVICE).reshape(size, *shape)
    return buffer.to(dtype), (buffer[:count] + size * row).to(dtype)


def slots_by_hand(seed: int, number: int, count: int, size: int) -> list[list[int]]:
    """The two draws in Python's integers of any length, straight from the papers."""

    def mix(x: int) -> int:
        x ^= x >> 15
        x = x * 0x2C1B3C6D % 2**32
        x ^= x >> 12
        x = x * 0x297A2D39 % 2**32
        return x ^ (x >> 15)

    def key(index: int) -> int:
        x = (index + 1) * 0x9E3779B9
        for word in (seed % 2**32, (seed >> 32) % 2**32, number):
            x = mix((x + word) % 2**32)
        return x

    draws: list[list[int]] = []
    for draw in range(2):
        draws.append([])
        for slot in range(count):
            for first in range(draw, 6 * ROUNDS, 6):
                partner = (key(first) * size // 2**32 - slot) % size
                bit = (key(first + 2) * max(slot, partner) + key(first + 4)) % 2**32 >= 2**31
                slot = partner if bit else slot
            draws[draw].append(slot)
    return draws


@pytest.mark.parametrize(("seed", "number"), STATES)
@pytest.mark.parametrize("size", [1, 2, 57, 25_600, 2**30])
def test_slots_equal_those_calculated_by_hand(seed: int, number: int, size: int) -> None:
    state = state_of(seed, number)
    count = min(size, 5)
    assert draw_slots_(state, count, size).tolist() == slots_by_hand(seed, number, count, size)
    assert state.tolist() == [seed, (number + 1) % 2**32]


@pytest.mark.parametrize("size", [1, 2, 3, 16, 57, 513, 25_600])
def test_all_slots_together_are_a_permutation(size: int) -> None:
    for seed in range(8):
        for draw in draw_slots_(state_of(seed), size, size):
            assert torch.equal(draw.sort().values, torch.arange(size, device=DEVICE))


def test_every_order_is_equally_likely() -> None:
    """Chi-square of the 24 orders of 4 slots; 49.7 is exceeded with probability 0.001."""
    places = {order: i for i, order in enumerate(itertools.permutations(range(4)))}
    state, rounds = state_of(1), 4800
    counts = torch.zeros(2, 24)
    for _ in range(rounds):
        for draw, order in enumerate(draw_slots_(state, 4, 4).tolist()):
            counts[draw, places[tuple(order)]] += 1
    assert ((counts - rounds / 24) ** 2 / (rounds / 24)).sum(1).max() < 49.7


def test_pairs_of_slots_are_uniform_and_the_draws_independent() -> None:
    """Chi-square over ordered pairs of distinct slots of 13, and over a slot of either draw."""
    state, rounds, size = state_of(2), 4000, 13
    pairs, across = torch.zeros(size, size), torch.zeros(size, size)
    for _ in range(rounds):
        (first, second), (other, _) = draw_slots_(state, 2, size).tolist()
        pairs[first, second] += 1
        across[first, other] += 1
    assert pairs.diagonal().sum() == 0
    expected = rounds / (size * (size - 1))
    apart = ~torch.eye(size, dtype=torch.bool)
    # p = 0.999 of 155 and of 168 degrees of freedom.
    assert ((pairs[apart] - expected) ** 2 / expected).sum() < 213.8
    assert ((across - rounds / size**2) ** 2 / (rounds / size**2)).sum() < 229.0


@EACH
@pytest.mark.parametrize(("seed", "number"), STATES)
@pytest.mark.parametrize(("size", "count"), [(1, 1), (7, 3), (7, 7), (513, 2)])
def test_swaps_the_drawn_images_and_counts_the_draw(
    backend: str, seed: int, number: int, size: int, count: int
) -> None:
    buffer, refined = history(size, count, (1, 5))
    sampled, replaced = slots_by_hand(seed, number, count, size)
    expected_old, expected = buffer[sampled].clone(), buffer.clone()
    expected[replaced] = refined
    state = state_of(seed, number)
    old = history_exchange_(buffer, refined, state, backend=backend)
    assert torch.equal(old, expected_old)
    assert torch.equal(buffer, expected)
    assert state.tolist() == [seed, (number + 1) % 2**32]


@EACH
@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("refined_layout", [*LAYOUTS, "sliced"])
def test_layouts_do_not_change_what_is_moved(
    backend: str, layout: str, refined_layout: str
) -> None:
    buffer, refined = history(5, 2, (2, 3, 7))
    expected = buffer.clone()
    expected_old = history_exchange_(expected, refined, state_of(9), backend="reference")
    if refined_layout == "sliced":
        refined = torch.stack([refined, -refined], dim=-1)[..., 0]
    else:
        refined = refined.contiguous(memory_format=LAYOUTS[refined_layout])
    buffer = buffer.contiguous(memory_format=LAYOUTS[layout])
    old = history_exchange_(buffer, refined, state_of(9), backend=backend)
    assert torch.equal(old, expected_old)
    assert torch.equal(buffer, expected)
    assert old.is_contiguous(memory_format=LAYOUTS[layout])


@EACH
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8]
)
def test_every_dtype_is_moved_bit_for_bit(backend: str, dtype: torch.dtype) -> None:
    buffer, refined = history(5, 2, (3, 7), dtype)
    sampled, replaced = draw_slots_(state_of(4), 2, 5)
    expected = buffer[sampled].clone()
    assert torch.equal(history_exchange_(buffer, refined, state_of(4), backend=backend), expected)
    assert torch.equal(buffer[replaced], refined)


@EACH
def test_images_longer_than_a_block_arrive_whole(backend: str) -> None:
    buffer, refined = history(3, 1, (1, 71, 61))
    before = buffer.clone()
    old = history_exchange_(buffer, refined, state_of(6), backend=backend)
    sampled, replaced = draw_slots_(state_of(6), 1, 3)
    assert torch.equal(old, before[sampled])
    assert torch.equal(buffer[replaced], refined)


@EACH
def test_the_history_holds_values_not_graphs(backend: str) -> None:
    buffer, refined = history(5, 2, (3,))
    weight = torch.ones((), device=DEVICE, requires_grad=True)
    old = history_exchange_(buffer, refined * weight, state_of(1), backend=backend)
    assert not old.requires_grad
    assert not buffer.requires_grad


def test_a_buffer_with_gaps_is_written_by_the_automatic_choice() -> None:
    buffer, refined = history(5, 2, (2, 3))
    gappy = torch.zeros(5, 2, 6, device=DEVICE)[..., ::2].copy_(buffer)
    old = history_exchange_(gappy, refined, state_of(1))
    assert torch.equal(old, history_exchange_(buffer, refined, state_of(1)))
    assert torch.equal(gappy, buffer)


@pytest.mark.skipif("cpp" not in BACKENDS, reason="the native module is not built")
def test_a_buffer_with_gaps_is_refused_by_an_asked_backend() -> None:
    _, refined = history(5, 2, (2, 3))
    with pytest.raises(ValueError, match="buffer must lie gapless in memory"):
        history_exchange_(torch.zeros(5, 2, 6)[..., ::2], refined, state_of(1), backend="cpp")


@pytest.mark.parametrize("backend", [None, "reference"])
def test_compiles_as_one_graph_and_still_writes_in_place(backend: str | None) -> None:
    buffer, refined = history(7, 3, (2, 3, 5))
    expected, state = buffer.clone(), state_of(8)
    compiled = torch.compile(history_exchange_, fullgraph=True, backend="aot_eager")
    for number in range(2):
        old = compiled(buffer, refined, state, backend=backend)
        assert torch.equal(old, history_exchange_(expected, refined, state_of(8, number)))
        assert torch.equal(buffer, expected)
    assert state.tolist() == [8, 2]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@EACH
def test_graph_replay_draws_anew_each_time(backend: str) -> None:
    buffer, refined = history(513, 40, (1, 35, 55))
    expected, expected_state = buffer.clone(), state_of(8)
    state = state_of(8)
    history_exchange_(buffer, refined, state, backend=backend)
    history_exchange_(expected, refined, expected_state, backend="reference")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        old = history_exchange_(buffer, refined, state, backend=backend)
    for _ in range(5):
        refined.add_(1)
        graph.replay()
        assert torch.equal(
            old, history_exchange_(expected, refined, expected_state, backend="reference")
        )
        assert torch.equal(buffer, expected)
        assert torch.equal(state, expected_state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": (1, 0)}, "state must be a torch.Tensor, got tuple"),
        (
            {"refined": torch.zeros(3, 9)},
            "refined must be [k, ...] with the image shape of buffer, (7, 2), got (3, 9)",
        ),
        (
            {"refined": torch.zeros(0, 2)},
            "refined must hold 1 to 7 images, the capacity of buffer, got 0",
        ),
        (
            {"refined": torch.zeros(9, 2)},
            "refined must hold 1 to 7 images, the capacity of buffer, got 9",
        ),
        (
            {
                "buffer": torch.zeros(1, 1).expand(2**30 + 1, 1),
                "refined": torch.zeros(1, 1),
            },
            "buffer must hold at most 1073741824 images, got 1073741825",
        ),
        (
            {"state": torch.zeros(2)},
            "state must be gapless int64 [2], got torch.float32 (2,) with strides (1,)",
        ),
        (
            {"state": torch.zeros(3, dtype=torch.int64)},
            "state must be gapless int64 [2], got torch.int64 (3,) with strides (1,)",
        ),
        (
            {"refined": torch.zeros(3, 2, dtype=torch.float16)},
            "refined must have the dtype of buffer, torch.float32, got torch.float16",
        ),
        (
            {"state": torch.zeros(2, dtype=torch.int64, device="meta")},
            "state must be on the device of buffer, cpu, got meta",
        ),
        (
            {"buffer": torch.zeros(7, 2, requires_grad=True)},
            "buffer must not require a gradient: it is changed in place",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(
    change: dict[str, Tensor], message: str
) -> None:
    arguments = {
        "buffer": torch.zeros(7, 2),
        "refined": torch.zeros(3, 2),
        "state": torch.tensor([1, 0]),
    }
    with pytest.raises(ValueError) as caught:
        history_exchange_(**(arguments | change))
    assert str(caught.value) == message
