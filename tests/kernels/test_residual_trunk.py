"""A chain of residual blocks: what it is, and what it says when it cannot run."""

import pytest
import torch
from op_cases import LAYOUTS, laid_out
from torch import Tensor
from torch.library import opcheck

from simgan.kernels import residual_block, residual_trunk
from simgan.kernels.dispatch import available_backends
from simgan.kernels.residual_block import Block, Padding
from simgan.kernels.residual_block.padding import PADDINGS


def chain(blocks: int, channels: int = 16, size: int = 3) -> tuple[Tensor, list[Block]]:
    torch.manual_seed(8)
    shape = (channels, channels, size, size)
    parameters = [
        (torch.randn(shape) * 0.1, torch.randn(channels), torch.randn(shape) * 0.1, torch.ones(16))
        for _ in range(blocks)
    ]
    return torch.randn(2, channels, 5, 7), parameters


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_chain_is_its_blocks_in_turn(padding: Padding) -> None:
    x, blocks = chain(3)
    expected = x
    for block in blocks:
        expected = residual_block(expected, *block, padding=padding, backend="reference")
    assert torch.equal(residual_trunk(x, blocks, padding=padding, backend="reference"), expected)


def test_a_chain_without_blocks_is_its_input() -> None:
    x, _ = chain(0)
    assert residual_trunk(x, []) is x


needs_cpp = pytest.mark.skipif(
    "cpp" not in available_backends("residual_block", "cpu"), reason="no native module"
)


@needs_cpp
@pytest.mark.parametrize("size", [3, 7], ids=["3x3", "7x7"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_native_chain_has_the_bits_of_its_blocks(
    padding: Padding, layout: str, size: int
) -> None:
    x, blocks = chain(3, size=size)
    x = laid_out(x, layout)
    expected = x
    for block in blocks:
        expected = residual_block(expected, *block, padding=padding, backend="cpp")
    with torch.no_grad():
        found = residual_trunk(x, blocks, padding=padding, backend="cpp")
    assert found is not x
    assert torch.equal(found, expected)
    assert found.stride() == expected.stride()


@needs_cpp
@pytest.mark.parametrize("padding", PADDINGS)
def test_blocks_of_different_filter_sizes_run_one_by_one(padding: Padding) -> None:
    x, blocks = chain(1)
    blocks += chain(1, size=7)[1]
    expected = x
    for block in blocks:
        expected = residual_block(expected, *block, padding=padding, backend="cpp")
    with torch.no_grad():
        found = residual_trunk(x, blocks, padding=padding, backend="cpp")
    assert torch.equal(found, expected)


@needs_cpp
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_native_chain_is_an_op_that_leaves_its_input_alone(padding: Padding) -> None:
    x, blocks = chain(2)
    before = x.clone()
    parameters = [one for block in blocks for one in block]
    for layout in LAYOUTS[:2]:
        arguments = (laid_out(x, layout), parameters, padding)
        opcheck(torch.ops.simgan.residual_trunk_cpp.default, arguments)
    assert torch.equal(x, before)


@needs_cpp
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_native_chain_has_gradients(padding: Padding) -> None:
    x, blocks = chain(2)
    x.requires_grad_()
    gradient, expected = (
        torch.autograd.grad(residual_trunk(x, blocks, padding=padding, backend=one).sum(), x)[0]
        for one in ("cpp", "reference")
    )
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_hopper_is_refused_where_it_cannot_run() -> None:
    x, blocks = chain(1)
    with pytest.raises(ValueError, match="asks for 'hopper', which cannot run residual_block here"):
        residual_trunk(x, blocks, backend="hopper")


def test_a_wrong_block_is_named() -> None:
    x, blocks = chain(2)
    weight1, bias1, weight2, bias2 = blocks[1]
    blocks[1] = (weight1, bias1, weight2, bias2[:3])
    with pytest.raises(ValueError, match=r"bias2 must be \[C\] with C = 16 channels of x"):
        residual_trunk(x, blocks)
