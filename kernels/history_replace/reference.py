"""Replacement in the history in plain torch: the definition of the op, for any device and dtype."""

from torch import Tensor


def replace_(buffer: Tensor, refined: Tensor, slots: Tensor) -> None:
    """buffer[slots[i]] = refined[i]."""
    buffer.index_copy_(0, slots, refined)
