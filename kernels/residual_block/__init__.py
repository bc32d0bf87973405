"""The refiner's residual block as one differentiable op (paper, section 2.4)."""

from simgan.kernels.residual_block.choice import block_limits, calculates_in_channels_last
from simgan.kernels.residual_block.op import residual_block
from simgan.kernels.residual_block.padding import Padding, check_padding, convolve
from simgan.kernels.residual_block.trunk import Block, residual_trunk, runs_as_one

__all__ = [
    "Block",
    "Padding",
    "block_limits",
    "calculates_in_channels_last",
    "check_padding",
    "convolve",
    "residual_block",
    "residual_trunk",
    "runs_as_one",
]
