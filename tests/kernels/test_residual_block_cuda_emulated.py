"""The CUDA residual block without a GPU: the same sources, launchers too, run by the emulator.

Every buffer is full of NaN before and lies between pages that fault. What this cannot prove: the
emulator's picture of the instructions, and speed.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from emulated import COMPILER, EmulatedBlock, build
from half_blocks import (
    ALL,
    BACKWARD,
    DTYPES,
    FORWARD,
    SIZES,
    assert_as_good_as_torch,
    backward_inputs,
    block_inputs,
)
from op_cases import laid_out
from torch import Tensor

from simgan.kernels.residual_block import cuda_kernel, reference

if COMPILER is None:
    pytest.skip("the emulator needs a C++ compiler", allow_module_level=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> EmulatedBlock:
    return EmulatedBlock(build("residual_block", tmp_path_factory.mktemp("emulation")))


@pytest.fixture
def emulator(library: EmulatedBlock, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedBlock]:
    """The emulator in place of a GPU and the native module; fresh tensors are poisoned."""
    library.reset()
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    stream = SimpleNamespace(cuda_stream=0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(cuda_kernel, "launchers", lambda: library)

    def poison(make: Any) -> Any:
        def made(*args: Any, **kwargs: Any) -> Tensor:
            plain: Tensor = make(*args, **kwargs)
            return library.poisoned(plain.shape, plain.stride(), plain.dtype)

        return made

    monkeypatch.setattr(torch, "empty_like", poison(torch.empty_like))
    monkeypatch.setattr(Tensor, "new_empty", poison(Tensor.new_empty))
    yield library
    library.reset()


def guarded_inputs(
    emulator: EmulatedBlock, size: tuple[int, int, int, int], dtype: torch.dtype = torch.float16
) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs of the forward and of the backward pass."""
    inputs = [emulator.guarded(tensor) for tensor in block_inputs(size, dtype)]
    return inputs, [emulator.guarded(tensor) for tensor in backward_inputs(inputs)]


def results(emulator: EmulatedBlock, size: tuple[int, int, int, int]) -> list[Tensor]:
    """Everything the backend calculates, in memory of its own."""
    inputs, arguments = guarded_inputs(emulator, size)
    maps = cuda_kernel.forward(*inputs)
    gradients = cuda_kernel.backward(*arguments, ALL)
    return [tensor.clone() for tensor in (*maps, *gradients)]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_values_and_gradients_are_as_near_float64_as_those_of_torch(
    emulator: EmulatedBlock, size: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    inputs, arguments = guarded_inputs(emulator, size, dtype)
    truth = reference.forward(*(tensor.double() for tensor in inputs))
    ours = cuda_kernel.forward(*inputs)
    assert_as_good_as_torch(ours, reference.forward(*inputs), truth, FORWARD)
    truth = reference.backward(*(tensor.double() for tensor in arguments), ALL)
    gradients = cuda_kernel.backward(*arguments, ALL)
    plain = reference.backward(*arguments, ALL)
    assert_as_good_as_torch(gradients, plain, truth, BACKWARD)


@pytest.mark.parametrize("size", [(3, 5, 7, 64), (2, 23, 29, 32)])
def test_the_order_in_which_threads_and_blocks_run_does_not_change_a_bit(
    emulator: EmulatedBlock, size: tuple[int, int, int, int]
) -> None:
    rising = results(emulator, size)
    emulator.run_backwards(True)
    falling = results(emulator, size)
    assert all(torch.equal(one, other) for one, other in zip(rising, falling, strict=True))


@pytest.mark.parametrize("processors", [1, 3, 40])
def test_the_share_of_a_block_does_not_change_the_maps(
    emulator: EmulatedBlock, processors: int
) -> None:
    size = (3, 11, 25, 16)
    expected = results(emulator, size)
    emulator.set_gpu(processors, 228, 227)
    found = results(emulator, size)
    for one, other in zip(found[:3], expected[:3], strict=True):
        assert torch.equal(one, other)
    for one, other in zip(found[3:], expected[3:], strict=True):  # summed in another order
        torch.testing.assert_close(one, other, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("shared", "strips"), [(24, [3, 2]), (20, [8, 4])], ids=["24K", "20K"])
def test_images_too_wide_for_shared_memory_are_cut_into_strips(
    emulator: EmulatedBlock, shared: int, strips: list[int]
) -> None:
    size = (3, 9, 130, 16)
    assert emulator.strips(size) == [1, 1]
    expected = results(emulator, size)
    emulator.set_gpu(40, shared + 1, shared)
    assert emulator.strips(size) == strips
    found = results(emulator, size)
    assert all(torch.equal(one, other) for one, other in zip(found[:3], expected[:3], strict=True))
    for one, other in zip(found[3:], expected[3:], strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=2e-3)


def test_a_gpu_with_too_little_shared_memory_is_refused(emulator: EmulatedBlock) -> None:
    emulator.set_gpu(2, 64, 63)
    with pytest.raises(RuntimeError, match=r"^1: "):
        results(emulator, (1, 5, 60, 64))


def test_a_width_without_a_kernel_is_refused(emulator: EmulatedBlock) -> None:
    with pytest.raises(RuntimeError, match=r"^1: "):
        results(emulator, (1, 5, 6, 80))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "sliced"])
def test_the_layout_of_the_inputs_does_not_change_a_bit(
    emulator: EmulatedBlock, layout: str
) -> None:
    inputs, arguments = guarded_inputs(emulator, (3, 6, 7, 32), torch.bfloat16)
    expected = (*cuda_kernel.forward(*inputs), *cuda_kernel.backward(*arguments, ALL))
    moved = [laid_out(tensor, layout) for tensor in inputs]
    moved_arguments = [laid_out(tensor, layout) for tensor in arguments]
    found = (*cuda_kernel.forward(*moved), *cuda_kernel.backward(*moved_arguments, ALL))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_an_address_that_16_byte_copies_cannot_start_at_is_moved(emulator: EmulatedBlock) -> None:
    inputs, _ = guarded_inputs(emulator, (1, 4, 5, 16))
    expected, _ = cuda_kernel.forward(*inputs)
    moved = []
    for tensor in inputs:
        shifted = torch.zeros(tensor.numel() + 1, dtype=tensor.dtype)[1:]
        moved.append(shifted.as_strided(tensor.shape, tensor.stride()).copy_(tensor))
    assert torch.equal(cuda_kernel.forward(*moved)[0], expected)


def test_the_hidden_map_is_written_only_if_it_is_kept(emulator: EmulatedBlock) -> None:
    inputs, _ = guarded_inputs(emulator, (2, 9, 8, 32))
    output, hidden = cuda_kernel.forward(*inputs)
    without, nothing = cuda_kernel.forward(*inputs, keep_hidden=False)
    assert torch.equal(without, output)
    assert hidden.shape == output.shape and nothing.numel() == 0


@pytest.mark.parametrize(
    "needs",
    [[True] + [False] * 4, [False] + [True] * 4, [False] * 5]
    + [[index == wanted for index in range(5)] for wanted in range(1, 5)],
)
def test_only_the_needed_gradients_are_calculated(
    emulator: EmulatedBlock, needs: list[bool]
) -> None:
    _, arguments = guarded_inputs(emulator, (3, 5, 6, 16))
    everything = cuda_kernel.backward(*arguments, ALL)
    some = cuda_kernel.backward(*arguments, needs)
    for one, full, needed in zip(some, everything, needs, strict=True):
        assert torch.equal(one, full) if needed else one.numel() == 0


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_a_not_a_number_reaches_all_that_depends_on_it_and_nothing_else(
    emulator: EmulatedBlock, dtype: torch.dtype
) -> None:
    inputs, _ = guarded_inputs(emulator, (2, 9, 11, 16), dtype)
    expected, _ = cuda_kernel.forward(*inputs)
    inputs[0][0, 3, 4, 5] = float("nan")
    output, hidden = cuda_kernel.forward(*inputs)
    assert hidden[0, :, 3:6, 4:7].isnan().all() and hidden.isnan().sum() == 16 * 9
    touched = torch.zeros(2, 1, 9, 11, dtype=torch.bool)
    touched[0, :, 2:7, 3:8] = True
    assert torch.equal(output.isnan(), touched.expand_as(output))
    assert torch.equal(output.nan_to_num(), expected.masked_fill(touched, 0.0))


def test_zero_weights_leave_the_relu_of_the_input(emulator: EmulatedBlock) -> None:
    (x, *_), _ = guarded_inputs(emulator, (2, 9, 10, 32), torch.bfloat16)
    zeros = x.new_zeros(32, 32, 3, 3), x.new_zeros(32)
    output, hidden = cuda_kernel.forward(x, *zeros, *zeros)
    assert torch.equal(output, x.relu()) and not hidden.any()


def test_division_by_multiplication_is_exact(emulator: EmulatedBlock) -> None:
    divide = emulator.library.divide
    largest = 2**31 - 1
    for divisor in (1, 2, 3, 5, 7, 35, 55, 59, 64, 224, 641, 65535, 65537, 2**28, 2**28 - 57):
        whole = largest // divisor
        near = {0, 1, divisor - 1, divisor, divisor + 1, whole * divisor - 1, whole * divisor}
        for n in near | {largest, largest - 1, 123456789, 1963 * divisor - 1, 1963 * divisor}:
            if 0 <= n <= largest:
                assert divide(n, divisor) == n // divisor, (n, divisor)
