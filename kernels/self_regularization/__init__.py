"""L1 distance between a refined image and its synthetic source (paper, Eq. 4)."""

from simgan.kernels.self_regularization.op import self_regularization

__all__ = ["self_regularization"]
