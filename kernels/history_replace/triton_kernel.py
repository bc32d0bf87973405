"""Triton kernel and launcher of replacement in the history; any dtype of up to 8 bytes.

Checked in the interpreter only, not on a GPU yet.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from simgan.kernels.layout import same_order

_BLOCK = 1024
# Values are moved, not calculated with: integers of the same size keep every bit, also of a NaN.
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@triton.jit
def history_replace_kernel(
    buffer_ptr,  # [capacity, row]
    refined_ptr,  # [programs along axis 0, row]
    slots_ptr,  # [programs along axis 0]
    capacity,
    row,
    BLOCK: tl.constexpr,
):
    i_image = tl.program_id(0).to(tl.int64)
    slot = tl.load(slots_ptr + i_image)
    o_row = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = (o_row < row) & (slot >= 0) & (slot < capacity)
    values = tl.load(refined_ptr + i_image * row + o_row, mask=mask)
    tl.store(buffer_ptr + slot * row + o_row, values, mask=mask)


def replace_(buffer: Tensor, refined: Tensor, slots: Tensor) -> None:
    """buffer[slots[i]] = refined[i]; the buffer is gapless; a slot out of range is skipped."""
    count = refined.shape[0]
    row = math.prod(buffer.shape[1:])
    if count == 0 or row == 0:
        return
    if not same_order(buffer, refined):
        refined = torch.empty_like(buffer[:count]).copy_(refined)
    word = _WORDS[buffer.element_size()]
    history_replace_kernel[(count, triton.cdiv(row, _BLOCK))](
        buffer.view(word),
        refined.view(word),
        slots.contiguous(),
        buffer.shape[0],
        row,
        BLOCK=_BLOCK,
    )
