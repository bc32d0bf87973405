"""The refiner's residual block as one differentiable op (paper, section 2.4)."""

from simgan.kernels.residual_block.op import (
    block_limits,
    calculates_in_channels_last,
    residual_block,
)
from simgan.kernels.residual_block.trunk import Block, residual_trunk, runs_as_one

__all__ = [
    "Block",
    "block_limits",
    "calculates_in_channels_last",
    "residual_block",
    "residual_trunk",
    "runs_as_one",
]
