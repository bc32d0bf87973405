"""A chain of residual blocks: what it is, and what it says when it cannot run."""

import pytest
import torch
from torch import Tensor

from simgan.kernels import residual_block, residual_trunk
from simgan.kernels.residual_block import Block


def chain(blocks: int, channels: int = 16) -> tuple[Tensor, list[Block]]:
    torch.manual_seed(8)
    shape = (channels, channels, 3, 3)
    parameters = [
        (torch.randn(shape) * 0.1, torch.randn(channels), torch.randn(shape) * 0.1, torch.ones(16))
        for _ in range(blocks)
    ]
    return torch.randn(2, channels, 5, 7), parameters


def test_a_chain_is_its_blocks_in_turn() -> None:
    x, blocks = chain(3)
    expected = x
    for block in blocks:
        expected = residual_block(expected, *block, backend="reference")
    assert torch.equal(residual_trunk(x, blocks, backend="reference"), expected)


def test_a_chain_without_blocks_is_its_input() -> None:
    x, _ = chain(0)
    assert residual_trunk(x, []) is x


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
