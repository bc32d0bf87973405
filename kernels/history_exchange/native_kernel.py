"""Hands the history's swap to the native launchers of csrc/cpu and csrc/cuda; any dtype."""

import math

import torch
from torch import Tensor

from simgan.kernels.layout import same_order
from simgan.kernels.native import launchers


def exchange_(buffer: Tensor, refined: Tensor, state: Tensor) -> Tensor:
    """buffer[A] as it was, after buffer[B] = refined; the buffer is gapless."""
    old = torch.empty_like(buffer[: refined.shape[0]])
    if not same_order(buffer, refined):
        refined = torch.empty_like(old).copy_(refined)
    row_bytes = math.prod(buffer.shape[1:]) * buffer.element_size()
    call = (
        *(buffer.data_ptr(), buffer.shape[0], refined.data_ptr(), refined.shape[0]),
        *(row_bytes, state.data_ptr(), old.data_ptr()),
    )
    if buffer.device.type == "cpu":
        launchers().history_exchange_cpu(*call)
        return old
    with torch.cuda.device(buffer.device):
        launchers().history_exchange_cuda(*call, torch.cuda.current_stream().cuda_stream)
    return old
