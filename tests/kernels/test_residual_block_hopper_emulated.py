"""The residual blocks for sm_90a without a GPU: the same sources, launchers too, in the emulator.

Every buffer is full of NaN before and lies between pages that fault. What this cannot prove: the
emulator's picture of the instructions, above all of wgmma's operands in shared memory, and speed.
benchmarks/gpu_micro.py asks a GPU about those operands.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from emulated import COMPILER, EmulatedTrunk, build
from op_cases import laid_out
from torch import Tensor
from trunk_cases import SIZES, assert_block_as_good_as_torch, trunk_inputs

from simgan.engine.refiner import Refiner
from simgan.kernels import residual_block, residual_trunk
from simgan.kernels.residual_block import choice, hopper_kernel
from simgan.kernels.residual_block.hopper import run_hopper

if COMPILER is None:
    pytest.skip("the emulator needs a C++ compiler", allow_module_level=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> EmulatedTrunk:
    return EmulatedTrunk(build("residual_trunk", tmp_path_factory.mktemp("emulation")))


@pytest.fixture
def plain_emulator(
    library: EmulatedTrunk, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmulatedTrunk]:
    """The emulator in place of a GPU and the native module."""
    library.reset()
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    stream = SimpleNamespace(cuda_stream=0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(hopper_kernel, "launchers", lambda: library)
    yield library
    library.reset()


@pytest.fixture
def emulator(plain_emulator: EmulatedTrunk, monkeypatch: pytest.MonkeyPatch) -> EmulatedTrunk:
    """The same; fresh tensors are poisoned."""

    def poison(make: Any) -> Any:
        def made(*args: Any, **kwargs: Any) -> Tensor:
            plain: Tensor = make(*args, **kwargs)
            return plain_emulator.poisoned(plain.shape, plain.stride(), plain.dtype)

        return made

    monkeypatch.setattr(torch, "empty_like", poison(torch.empty_like))
    monkeypatch.setattr(Tensor, "new_empty", poison(Tensor.new_empty))
    return plain_emulator


def inputs_of(
    emulator: EmulatedTrunk, size: tuple[int, int, int], blocks: int = 1
) -> tuple[Tensor, list[Tensor]]:
    x, parameters = trunk_inputs(size, blocks)
    return emulator.guarded(x), [emulator.guarded(tensor) for tensor in parameters]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_values_and_gradients_are_as_near_float64_as_those_of_torch(
    emulator: EmulatedTrunk, size: tuple[int, int, int]
) -> None:
    x, parameters = inputs_of(emulator, size)
    assert_block_as_good_as_torch(x, parameters, emulator.guarded(torch.randn_like(x)))


@pytest.mark.parametrize("blocks", [2, 3])
def test_a_chain_is_the_blocks_in_turn(emulator: EmulatedTrunk, blocks: int) -> None:
    x, parameters = inputs_of(emulator, (2, 9, 14), blocks)
    grad = emulator.guarded(torch.randn_like(x))
    output, kept = hopper_kernel.forward(x, parameters, True)
    gradients = hopper_kernel.backward(grad, output, kept, parameters)
    singles = []
    here = x
    for at in range(0, 4 * blocks, 4):
        singles.append(hopper_kernel.forward(here, parameters[at : at + 4], True))
        here = singles[-1][0]
    assert torch.equal(output, here)
    for block in reversed(range(blocks)):
        own = parameters[4 * block : 4 * block + 4]
        grad, *found = hopper_kernel.backward(grad, *singles[block], own)
        for one, other in zip(gradients[1 + 4 * block :][:4], found, strict=True):
            assert torch.equal(one, other)
    assert torch.equal(gradients[0], grad)


def results(emulator: EmulatedTrunk, size: tuple[int, int, int]) -> list[Tensor]:
    """Everything the backend calculates, in memory of its own."""
    x, parameters = inputs_of(emulator, size, blocks=2)
    output, kept = hopper_kernel.forward(x, parameters, True)
    grad = emulator.guarded(torch.randn_like(x))
    gradients = hopper_kernel.backward(grad, output, kept, parameters)
    return [tensor.clone() for tensor in (output, *gradients)]


def test_the_order_in_which_threads_and_ctas_run_does_not_change_a_bit(
    emulator: EmulatedTrunk,
) -> None:
    rising = results(emulator, (2, 17, 19))
    emulator.run_backwards(True)
    falling = results(emulator, (2, 17, 19))
    assert all(torch.equal(one, other) for one, other in zip(rising, falling, strict=True))


@pytest.mark.parametrize("processors", [1, 3, 40])
def test_the_share_of_a_cta_does_not_change_the_maps(
    emulator: EmulatedTrunk, processors: int
) -> None:
    expected = results(emulator, (3, 9, 14))
    emulator.set_gpu(processors, 228, 227)
    found = results(emulator, (3, 9, 14))
    assert all(torch.equal(one, other) for one, other in zip(found[:2], expected[:2], strict=True))
    for one, other in zip(found[2:], expected[2:], strict=True):  # summed in another order
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


def test_what_is_not_kept_does_not_change_the_output(emulator: EmulatedTrunk) -> None:
    x, parameters = inputs_of(emulator, (2, 9, 8), blocks=3)
    output, _ = hopper_kernel.forward(x, parameters, True)
    without, nothing = hopper_kernel.forward(x, parameters, False)
    assert torch.equal(without, output) and nothing.numel() == 0


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "sliced"])
def test_the_layout_of_the_inputs_does_not_change_a_bit(
    emulator: EmulatedTrunk, layout: str
) -> None:
    x, parameters = inputs_of(emulator, (3, 6, 7))
    expected, kept = hopper_kernel.forward(x, parameters, True)
    grad = emulator.guarded(torch.randn_like(x))
    gradients = hopper_kernel.backward(grad, expected, kept, parameters)
    moved = [laid_out(tensor, layout) for tensor in (x, *parameters)]
    output, kept = hopper_kernel.forward(moved[0], moved[1:], True)
    assert torch.equal(output, expected)
    arguments = laid_out(grad, layout), laid_out(output, layout), kept, moved[1:]
    found = hopper_kernel.backward(*arguments)
    assert all(torch.equal(one, other) for one, other in zip(found, gradients, strict=True))


def test_a_not_a_number_reaches_all_that_depends_on_it_and_nothing_else(
    emulator: EmulatedTrunk,
) -> None:
    x, parameters = inputs_of(emulator, (2, 9, 11))
    expected, _ = hopper_kernel.forward(x, parameters, False)
    x[0, 3, 4, 5] = float("nan")
    output, _ = hopper_kernel.forward(x, parameters, False)
    touched = torch.zeros(2, 1, 9, 11, dtype=torch.bool)
    touched[0, :, 2:7, 3:8] = True
    assert torch.equal(output.isnan(), touched.expand_as(output))
    assert torch.equal(output.nan_to_num(), expected.masked_fill(touched, 0.0))


def test_block_and_chain_run_as_one_op(
    emulator: EmulatedTrunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "resolve_backend", lambda *_, **__: "hopper")
    x, parameters = inputs_of(emulator, (2, 5, 4), blocks=2)
    output, _ = hopper_kernel.forward(x, parameters, False)
    blocks = [(*parameters[:4],), (*parameters[4:],)]
    assert torch.equal(residual_trunk(x, blocks), output)  # type: ignore[arg-type]
    for block in blocks:
        x = residual_block(x, *block)
    assert torch.equal(x, output)


def test_the_refiner_hands_its_blocks_over_as_one(
    emulator: EmulatedTrunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(9)
    refiner = Refiner(blocks=2).bfloat16()
    x = torch.rand(2, 1, 5, 6).bfloat16() * 2 - 1
    with torch.no_grad():
        expected = refiner(x)
        chains = []
        forward = hopper_kernel.forward
        monkeypatch.setattr(
            hopper_kernel, "forward", lambda *found: chains.append(len(found[1])) or forward(*found)
        )
        monkeypatch.setattr(choice, "resolve_backend", lambda *_, **__: "hopper")
        torch.testing.assert_close(refiner(x), expected, rtol=2e-2, atol=2e-2)
    assert chains == [8]


def test_the_op_differentiates_by_everything(emulator: EmulatedTrunk) -> None:
    x, parameters = inputs_of(emulator, (1, 6, 5), blocks=2)
    grad = torch.randn_like(x)
    leaves = [tensor.detach().requires_grad_() for tensor in (x, *parameters)]
    output = run_hopper(leaves[0], leaves[1:])
    found = torch.autograd.grad(output, leaves, grad)
    _, kept = hopper_kernel.forward(x, parameters, True)
    expected = hopper_kernel.backward(grad, output.detach(), kept, parameters)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "sliced"])
def test_opcheck_passes(plain_emulator: EmulatedTrunk, layout: str) -> None:
    x, parameters = inputs_of(plain_emulator, (2, 3, 4))
    x, *parameters = (laid_out(tensor, layout) for tensor in (x, *parameters))
    ops = torch.ops.simgan
    leaves = [tensor.detach().requires_grad_() for tensor in (x, *parameters)]
    torch.library.opcheck(ops.residual_trunk.default, (leaves[0], leaves[1:], True))
    output, kept = hopper_kernel.forward(x, parameters, True)
    arguments = (torch.randn_like(output), output, kept, parameters)
    torch.library.opcheck(ops.residual_trunk_backward.default, arguments)


@pytest.mark.parametrize("size", [(1, 2, 111), (1, 2, 300)])
def test_maps_too_wide_for_shared_memory_are_refused(
    emulator: EmulatedTrunk, size: tuple[int, int, int]
) -> None:
    with pytest.raises(RuntimeError, match=r"^1: "):
        hopper_kernel.forward(*inputs_of(emulator, size), False)


def test_a_gpu_with_too_little_shared_memory_is_refused(emulator: EmulatedTrunk) -> None:
    emulator.set_gpu(2, 164, 163)
    with pytest.raises(RuntimeError, match="more shared memory than the GPU has"):
        hopper_kernel.forward(*inputs_of(emulator, (1, 2, 3)), False)
