"""Hands replacement in the history to the native launchers of csrc/cpu and csrc/cuda; any dtype."""

import math

import torch
from torch import Tensor

from simgan.kernels.layout import same_order
from simgan.kernels.native import launchers


def replace_(buffer: Tensor, refined: Tensor, slots: Tensor) -> None:
    """buffer[slots[i]] = refined[i]; the buffer is gapless."""
    if not same_order(buffer, refined):
        refined = torch.empty_like(buffer[: refined.shape[0]]).copy_(refined)
    slots = slots.contiguous()
    row_bytes = math.prod(buffer.shape[1:]) * buffer.element_size()
    call = (
        *(buffer.data_ptr(), buffer.shape[0], refined.data_ptr()),
        *(slots.data_ptr(), refined.shape[0], row_bytes),
    )
    if buffer.device.type == "cpu":
        launchers().history_replace_cpu(*call)
        return
    with torch.cuda.device(buffer.device):
        launchers().history_replace_cuda(*call, torch.cuda.current_stream().cuda_stream)
