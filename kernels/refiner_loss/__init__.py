"""The refiner's loss: realism of every patch plus self-regularization (paper, Eq. 4)."""

from simgan.kernels.refiner_loss.op import refiner_loss

__all__ = ["refiner_loss"]
