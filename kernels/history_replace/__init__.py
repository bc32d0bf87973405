"""Replacement of images in the history buffer, in place (paper, section 2.3)."""

from simgan.kernels.history_replace.op import history_replace_

__all__ = ["history_replace_"]
