"""Local adversarial loss: cross-entropy of the discriminator's patches (paper, section 2.1)."""

from simgan.kernels.patch_cross_entropy.op import patch_cross_entropy
from simgan.kernels.patch_cross_entropy.reference import REAL, REFINED

__all__ = ["REAL", "REFINED", "patch_cross_entropy"]
