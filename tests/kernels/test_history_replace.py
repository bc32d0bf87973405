"""Replacement in the history: whole images, in place, only where asked."""

import pytest
import torch
from op_cases import DEVICE, runs_on

from simgan.kernels import history_replace_

EACH = pytest.mark.parametrize("backend", runs_on("history_replace"))
SLOTS = [6, 0, 3]


def buffer_and_images(
    dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (2, 3, 5)
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    size = 7 * torch.Size(shape).numel()
    buffer = torch.arange(size, device=DEVICE).reshape(7, *shape).to(dtype)
    images = torch.arange(100, 100 + 3 * size // 7, device=DEVICE).reshape(3, *shape).to(dtype)
    return buffer, images, torch.tensor(SLOTS, device=DEVICE)


@EACH
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_writes_each_image_to_its_slot_and_nothing_else(
    backend: str, layout: torch.memory_format
) -> None:
    buffer, images, slots = buffer_and_images()
    expected = buffer.clone()
    for image, slot in zip(images, SLOTS, strict=True):
        expected[slot] = image
    buffer = buffer.contiguous(memory_format=layout)
    address = buffer.data_ptr()
    assert history_replace_(buffer, images, slots, backend=backend) is None
    assert torch.equal(buffer, expected)
    assert buffer.data_ptr() == address


@EACH
def test_a_strided_selection_of_images_and_slots_is_taken(backend: str) -> None:
    buffer, images, slots = buffer_and_images()
    wide = torch.stack([images, -images], dim=-1)[..., 0]
    history_replace_(buffer, wide, slots.repeat_interleave(2)[::2], backend=backend)
    assert torch.equal(buffer[slots], images)


@EACH
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8]
)
def test_every_dtype_is_moved_bit_for_bit(backend: str, dtype: torch.dtype) -> None:
    buffer, images, slots = buffer_and_images(dtype)
    history_replace_(buffer, images, slots, backend=backend)
    assert torch.equal(buffer[slots], images)


@EACH
def test_images_longer_than_a_block_arrive_whole(backend: str) -> None:
    buffer, images, slots = buffer_and_images(shape=(1, 37, 61))
    history_replace_(buffer, images, slots, backend=backend)
    assert torch.equal(buffer[slots], images)


@EACH
@pytest.mark.parametrize("count", [1, 513])
def test_any_number_of_images_is_taken(backend: str, count: int) -> None:
    buffer = torch.zeros(600, 3, device=DEVICE)
    images = torch.arange(1.0, 3 * count + 1, device=DEVICE).view(count, 3)
    slots = torch.arange(599, 599 - count, -1, device=DEVICE)
    history_replace_(buffer, images, slots, backend=backend)
    assert torch.equal(buffer[slots], images)
    assert not buffer[: 600 - count].any()


@EACH
def test_no_image_leaves_the_buffer_alone(backend: str) -> None:
    buffer, images, slots = buffer_and_images()
    before = buffer.clone()
    history_replace_(buffer, images[:0], slots[:0], backend=backend)
    assert torch.equal(buffer, before)


@EACH
def test_the_history_holds_values_not_graphs(backend: str) -> None:
    buffer, images, slots = buffer_and_images()
    weight = torch.ones((), device=DEVICE, requires_grad=True)
    history_replace_(buffer, images * weight, slots, backend=backend)
    assert not buffer.requires_grad
    assert torch.equal(buffer[slots], images)


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU stops with a device assertion instead")
@pytest.mark.parametrize("backend", ["reference", "cpp"])
@pytest.mark.parametrize("slot", [7, -1])
def test_a_slot_out_of_range_is_refused_before_anything_is_written(backend: str, slot: int) -> None:
    if backend not in runs_on("history_replace"):
        pytest.skip(f"{backend} is not built here")
    buffer, images, slots = buffer_and_images()
    before = buffer.clone()
    slots[2] = slot
    with pytest.raises(IndexError):
        history_replace_(buffer, images, slots, backend=backend)
    if backend == "cpp":
        assert torch.equal(buffer, before)


def test_a_buffer_with_gaps_is_written_by_the_automatic_choice() -> None:
    buffer, images, slots = buffer_and_images()
    gappy = torch.zeros(7, 2, 3, 10, device=DEVICE)[..., ::2].copy_(buffer)
    history_replace_(gappy, images, slots)
    assert torch.equal(gappy[slots], images)


@pytest.mark.skipif(
    "cpp" not in runs_on("history_replace"), reason="the native module is not built"
)
def test_a_buffer_with_gaps_is_refused_by_an_asked_backend() -> None:
    _, images, slots = buffer_and_images()
    gappy = torch.zeros(7, 2, 3, 10)[..., ::2]
    with pytest.raises(ValueError, match="buffer must lie gapless in memory"):
        history_replace_(gappy, images, slots, backend="cpp")


def test_compiles_as_one_graph_and_still_writes_in_place() -> None:
    buffer, images, slots = buffer_and_images()
    compiled = torch.compile(history_replace_, fullgraph=True, backend="aot_eager")
    compiled(buffer, images, slots)
    assert torch.equal(buffer[slots], images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slots": [1]}, "slots must be a torch.Tensor, got list"),
        (
            {"refined": torch.zeros(3, 9)},
            "refined must be [k, ...] with the image shape of buffer, (7, 2), got (3, 9)",
        ),
        (
            {"slots": torch.zeros(2, dtype=torch.int64)},
            "slots must be [k] with k = 3 refined images, got (2,)",
        ),
        (
            {"slots": torch.zeros(3, dtype=torch.int32)},
            "slots must have the dtype torch.int64, got torch.int32",
        ),
        (
            {"refined": torch.zeros(9, 2), "slots": torch.zeros(9, dtype=torch.int64)},
            "refined must hold at most 7 images, the capacity of buffer, got 9",
        ),
        (
            {"refined": torch.zeros(3, 2, dtype=torch.float16)},
            "refined must have the dtype of buffer, torch.float32, got torch.float16",
        ),
        (
            {"slots": torch.zeros(3, dtype=torch.int64, device="meta")},
            "slots must be on the device of buffer, cpu, got meta",
        ),
        (
            {"buffer": torch.zeros(7, 2, requires_grad=True)},
            "buffer must not require a gradient: it is changed in place",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(
    change: dict[str, torch.Tensor], message: str
) -> None:
    arguments = {
        "buffer": torch.zeros(7, 2),
        "refined": torch.zeros(3, 2),
        "slots": torch.tensor(SLOTS),
    }
    with pytest.raises(ValueError) as caught:
        history_replace_(**(arguments | change))
    assert str(caught.value) == message
