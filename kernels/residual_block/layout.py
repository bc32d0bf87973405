"""The memory format of the residual block's results, stated once for the op and its fake."""

import torch
from torch import Tensor


def memory_format(*tensors: Tensor) -> torch.memory_format:
    """channels_last if one of the [N, C, H, W] tensors is stored so and not also the plain way."""
    for tensor in tensors:
        last = tensor.is_contiguous(memory_format=torch.channels_last)
        if last and not tensor.is_contiguous():
            return torch.channels_last
    return torch.contiguous_format
