"""Checks of what a caller hands to an op, in four groups: type, shape, dtype, device."""

import torch
from torch import Tensor

FLOATING = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def check_type(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a tensor."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a torch.Tensor, got {type(value).__name__}")


def check_floating(name: str, tensor: Tensor) -> None:
    """Raise ValueError unless the tensor's dtype is one the ops calculate with."""
    if tensor.dtype not in FLOATING:
        known = ", ".join(str(dtype) for dtype in FLOATING)
        raise ValueError(f"{name} must have one of the dtypes {known}, got {tensor.dtype}")


def check_same_dtype(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ValueError unless both tensors have the same dtype."""
    if tensor.dtype != other.dtype:
        raise ValueError(
            f"{name} must have the dtype of {other_name}, {other.dtype}, got {tensor.dtype}"
        )


def check_same_device(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ValueError unless both tensors lie on the same device."""
    if tensor.device != other.device:
        raise ValueError(
            f"{name} must be on the device of {other_name}, {other.device}, got {tensor.device}"
        )


def accumulation_dtype(*tensors: Tensor) -> torch.dtype:
    """What a loss is summed and returned in: float64 if one of the tensors is, else float32."""
    wide = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if wide else torch.float32
