"""The public function `history_exchange_`, its checks and its registration with torch."""

import importlib
from types import ModuleType

import torch
from torch import Tensor

from simgan.kernels.arguments import check_same_device, check_same_dtype, check_type
from simgan.kernels.dispatch import BACKENDS, REFERENCE, TRITON, resolve_backend
from simgan.kernels.history_exchange import native_kernel, reference
from simgan.kernels.layout import same_order


def history_exchange_(
    buffer: Tensor, refined: Tensor, state: Tensor, *, backend: str | None = None
) -> Tensor:
    """Swap random images of the history for refined ones, in place (section 2.3).

    Replaces these plain steps:
        1. draw k distinct slots A and, independently, k distinct slots B from `state`
        2. old = buffer[A]
        3. buffer[B] = refined
        4. add one to the number of the draw in `state`

    The slots are a function of the state alone, the same on every backend and device. Nothing
    waits for the device. No gradient passes: the history holds values, so `refined` is detached.

    Args:
        buffer: [B, ...], B <= 2^30, any dtype, changed in place; must not require a gradient.
        refined: [k, ...], 1 <= k <= B, dtype and device of the buffer.
        state: int64 [2] on the device of the buffer, gapless: (seed, number of the draw), the
            number in 0 <= number < 2^32; changed in place.
        backend: name of an implementation; None takes SIMGAN_BACKEND or the best available.

    Returns:
        [k, ...], the images of slots A before the call; a copy, laid out as the buffer.

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
    """
    check_type("buffer", buffer)
    check_type("refined", refined)
    check_type("state", state)
    if buffer.dim() == 0 or refined.dim() == 0 or buffer.shape[1:] != refined.shape[1:]:
        raise ValueError(
            f"refined must be [k, ...] with the image shape of buffer, {tuple(buffer.shape)}, "
            f"got {tuple(refined.shape)}"
        )
    if not 1 <= refined.shape[0] <= buffer.shape[0]:
        raise ValueError(
            f"refined must hold 1 to {buffer.shape[0]} images, the capacity of buffer, "
            f"got {refined.shape[0]}"
        )
    if buffer.shape[0] > reference.LARGEST:
        raise ValueError(
            f"buffer must hold at most {reference.LARGEST} images, got {buffer.shape[0]}"
        )
    if state.dtype != torch.int64 or state.shape != (2,) or not state.is_contiguous():
        raise ValueError(
            "state must be gapless int64 [2], "
            f"got {state.dtype} {tuple(state.shape)} with strides {state.stride()}"
        )
    check_same_dtype("refined", refined, "buffer", buffer)
    check_same_device("refined", refined, "buffer", buffer)
    check_same_device("state", state, "buffer", buffer)
    if buffer.requires_grad:
        raise ValueError("buffer must not require a gradient: it is changed in place")
    chosen = resolve_backend("history_exchange", backend, buffer, limits=_limits(buffer))
    old: Tensor = _exchange(buffer, refined.detach(), state, chosen)
    return old


def _limits(buffer: Tensor) -> dict[str, str]:
    if same_order(buffer):
        return {}
    reason = "buffer must lie gapless in memory (contiguous or channels_last)"
    return {name: reason for name in BACKENDS["history_exchange"] if name != REFERENCE}


def _implementation(backend: str) -> ModuleType:
    if backend == REFERENCE:
        return reference
    if backend == TRITON:
        return importlib.import_module("simgan.kernels.history_exchange.triton_kernel")
    return native_kernel


@torch.library.custom_op("simgan::history_exchange_", mutates_args={"buffer", "state"})
def _exchange(buffer: Tensor, refined: Tensor, state: Tensor, backend: str) -> Tensor:
    old: Tensor = _implementation(backend).exchange_(buffer, refined, state)
    return old


@_exchange.register_fake
def _(buffer: Tensor, refined: Tensor, state: Tensor, backend: str) -> Tensor:
    return torch.empty_like(buffer[: refined.shape[0]])
