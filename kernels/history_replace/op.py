"""The public function `history_replace_`, its checks and its registration with torch."""

import importlib
from types import ModuleType

import torch
from torch import Tensor

from simgan.kernels.arguments import check_same_device, check_same_dtype, check_type
from simgan.kernels.dispatch import BACKENDS, REFERENCE, TRITON, resolve_backend
from simgan.kernels.history_replace import native_kernel, reference
from simgan.kernels.layout import same_order


def history_replace_(
    buffer: Tensor, refined: Tensor, slots: Tensor, *, backend: str | None = None
) -> None:
    """Write refined images into the history buffer, in place: `buffer[slots[i]] = refined[i]`.

    The slots are data, drawn elsewhere from a seeded generator. They must be distinct and in
    0 <= slot < B; their values are not checked here, that would make the host wait for the device.
    No gradient passes: the history holds values, so `refined` is detached.

    Args:
        buffer: [B, ...], any dtype, changed in place; must not require a gradient.
        refined: [k, ...], k <= B, dtype and device of the buffer.
        slots: int64 [k], device of the buffer.
        backend: name of an implementation; None takes SIMGAN_BACKEND or the best available.

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
        IndexError: a slot is out of range (CPU only; on a GPU torch stops with a device assertion).
    """
    check_type("buffer", buffer)
    check_type("refined", refined)
    check_type("slots", slots)
    if buffer.dim() == 0 or refined.dim() == 0 or buffer.shape[1:] != refined.shape[1:]:
        raise ValueError(
            f"refined must be [k, ...] with the image shape of buffer, {tuple(buffer.shape)}, "
            f"got {tuple(refined.shape)}"
        )
    if slots.dim() != 1 or slots.shape[0] != refined.shape[0]:
        raise ValueError(
            f"slots must be [k] with k = {refined.shape[0]} refined images, "
            f"got {tuple(slots.shape)}"
        )
    if refined.shape[0] > buffer.shape[0]:
        raise ValueError(
            f"refined must hold at most {buffer.shape[0]} images, the capacity of buffer, "
            f"got {refined.shape[0]}"
        )
    if slots.dtype != torch.int64:
        raise ValueError(f"slots must have the dtype torch.int64, got {slots.dtype}")
    check_same_dtype("refined", refined, "buffer", buffer)
    check_same_device("refined", refined, "buffer", buffer)
    check_same_device("slots", slots, "buffer", buffer)
    if buffer.requires_grad:
        raise ValueError("buffer must not require a gradient: it is changed in place")
    chosen = resolve_backend("history_replace", backend, buffer, limits=_limits(buffer))
    _replace(buffer, refined.detach(), slots, chosen)


def _limits(buffer: Tensor) -> dict[str, str]:
    if same_order(buffer):
        return {}
    reason = "buffer must lie gapless in memory (contiguous or channels_last)"
    return {name: reason for name in BACKENDS["history_replace"] if name != REFERENCE}


def _implementation(backend: str) -> ModuleType:
    if backend == REFERENCE:
        return reference
    if backend == TRITON:
        return importlib.import_module("simgan.kernels.history_replace.triton_kernel")
    return native_kernel


@torch.library.custom_op("simgan::history_replace_", mutates_args={"buffer"})
def _replace(buffer: Tensor, refined: Tensor, slots: Tensor, backend: str) -> None:
    _implementation(backend).replace_(buffer, refined, slots)


@_replace.register_fake
def _(buffer: Tensor, refined: Tensor, slots: Tensor, backend: str) -> None:
    return None
