"""The refiner's residual block as one differentiable op (paper, section 2.4)."""

from simgan.kernels.residual_block.op import (
    block_limits,
    calculates_in_channels_last,
    residual_block,
)

__all__ = ["block_limits", "calculates_in_channels_last", "residual_block"]
