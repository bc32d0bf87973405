"""Endless batches: the order is a function of seed and position, and streaming changes no bit."""

import numpy as np
import pytest
import torch
from tiny import tiny_images

from simgan.engine.data.batches import Batches, Order, to_unit
from simgan.engine.data.packing import ImageArray

CPU = torch.device("cpu")


def array(
    count: int = 11,
    dtype: type[np.generic] = np.uint8,
    value_range: tuple[float, float] = (0.0, 255.0),
) -> ImageArray:
    images = tiny_images(count, 4)
    if dtype is np.uint16:
        images = images.astype(np.uint16) * 257
    names = [f"{index}" for index in range(count)]
    return ImageArray(images, names, {}, value_range, "print", "npz", "here")


def batches(resident: bool = True, **changes: object) -> Batches:
    source = changes.pop("array", None) or array()
    assert isinstance(source, ImageArray)
    return Batches(source, seed=3, name="synthetic", device=CPU, resident=resident)


def test_every_epoch_is_a_permutation_of_the_set() -> None:
    order = Order(11, seed=0, name="real")
    for epoch in range(4):
        assert sorted(order.slice(11 * epoch, 11).tolist()) == list(range(11))


def test_epochs_differ_from_each_other() -> None:
    order = Order(50, seed=0, name="real")
    assert order.epoch(0).tolist() != order.epoch(1).tolist()


@pytest.mark.parametrize(("seed", "name"), [(1, "real"), (0, "synthetic"), (0, "real/1")])
def test_seed_and_name_make_another_order(seed: int, name: str) -> None:
    usual = Order(50, seed=0, name="real").epoch(0)
    assert Order(50, seed=seed, name=name).epoch(0).tolist() != usual.tolist()


def test_the_order_is_a_function_of_the_position_alone() -> None:
    whole = Order(7, seed=5, name="real").slice(0, 60)
    for position in (0, 1, 6, 7, 13, 40):
        for length in (1, 5, 7, 15):
            part = Order(7, seed=5, name="real").slice(position, length)
            assert part.equal(whole[position : position + length])


def test_a_slice_of_no_images_is_empty() -> None:
    assert Order(7, seed=5, name="real").slice(3, 0).tolist() == []


def test_a_batch_may_be_larger_than_the_set() -> None:
    counts = Order(3, seed=0, name="real").slice(1, 10).bincount(minlength=3)
    assert counts.min() >= 2 and counts.sum() == 10
    assert batches(array=array(3)).next(10).shape[0] == 10


def test_the_order_does_not_depend_on_other_generators() -> None:
    torch.manual_seed(1)
    first = Order(20, seed=0, name="real").epoch(3)
    torch.manual_seed(2)
    torch.rand(5)
    assert Order(20, seed=0, name="real").epoch(3).equal(first)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_streamed_batches_equal_resident_ones_half_batches_included(
    dtype: type[np.generic],
) -> None:
    high = 255.0 if dtype is np.uint8 else 65535.0
    source = array(dtype=dtype, value_range=(0.0, high))
    resident, streamed = batches(array=source), batches(resident=False, array=source)
    for size in (4, 4, 2, 4, 2, 3, 9, 1, 4, 2):
        assert streamed.next(size).equal(resident.next(size))
        assert streamed.position == resident.position
    streamed.close()


def test_a_streamed_order_continues_from_any_position() -> None:
    resident, streamed = batches(), batches(resident=False)
    for position in (5, 0, 13):
        resident.position = streamed.position = position
        for size in (4, 2, 4):
            assert streamed.next(size).equal(resident.next(size))
    streamed.close()


def test_closing_ends_the_prefetching_thread_and_reading_may_go_on() -> None:
    streamed, resident = batches(resident=False), batches()
    assert streamed.next(4).equal(resident.next(4))
    assert streamed._stream is not None
    thread = streamed._stream._thread
    streamed.close()
    assert not thread.is_alive()
    assert streamed.next(4).equal(resident.next(4))
    streamed.close()


def test_an_error_while_streaming_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    streamed = batches(resident=False)

    def broken(position: int, length: int) -> torch.Tensor:
        raise OSError("the disk is gone")

    monkeypatch.setattr(streamed.order, "slice", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        streamed.next(4)
    streamed.close()


def test_picking_images_moves_nothing() -> None:
    source = batches()
    picked = source.pick([2, 0])
    assert source.position == 0
    assert picked.equal(to_unit(torch.from_numpy(array().images[[2, 0]]), (0.0, 255.0)))


def test_eight_bits_become_minus_one_to_one() -> None:
    stored = torch.tensor([0, 255, 51], dtype=torch.uint8).view(3, 1, 1, 1)
    torch.testing.assert_close(to_unit(stored, (0.0, 255.0)).flatten(), torch.tensor([-1, 1, -0.6]))


def test_sixteen_bits_above_the_sign_bit_are_not_negative() -> None:
    values = np.array([0, 1000, 32767, 32768, 65535], np.uint16).reshape(5, 1, 1, 1)
    source = ImageArray(values, list("abcde"), {}, (0.0, 65535.0), "", "npy", "here")
    found = batches(array=source).pick([0, 1, 2, 3, 4]).flatten()
    expected = torch.from_numpy(values.astype(np.float64).flatten() / 65535 * 2 - 1).float()
    torch.testing.assert_close(found, expected)


def test_values_outside_the_range_are_clamped() -> None:
    stored = torch.tensor([0, 100, 150, 200, 255], dtype=torch.uint8).view(5, 1, 1, 1)
    expected = torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0])
    assert to_unit(stored, (100.0, 200.0)).flatten().equal(expected)


def test_channels_come_first() -> None:
    stored = torch.arange(24, dtype=torch.uint8).view(1, 2, 4, 3)
    unit = to_unit(stored, (0.0, 255.0))
    assert unit.shape == (1, 3, 2, 4)
    torch.testing.assert_close(unit[0, 1, 1, 2], stored[0, 1, 2, 1] / 255 * 2 - 1)
