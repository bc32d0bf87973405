"""The refiner's residual block as one differentiable op (paper, section 2.4)."""

from simgan.kernels.residual_block.op import residual_block

__all__ = ["residual_block"]
