"""Stateless operations on tensors; they know nothing of the training loop."""

from simgan.kernels.history_exchange import draw_slots_, history_exchange_
from simgan.kernels.history_replace import history_replace_
from simgan.kernels.patch_cross_entropy import REAL, REFINED, patch_cross_entropy
from simgan.kernels.refiner_loss import refiner_loss
from simgan.kernels.residual_block import residual_block, residual_trunk
from simgan.kernels.self_regularization import self_regularization

__all__ = [
    "REAL",
    "REFINED",
    "draw_slots_",
    "history_exchange_",
    "history_replace_",
    "patch_cross_entropy",
    "refiner_loss",
    "residual_block",
    "residual_trunk",
    "self_regularization",
]
