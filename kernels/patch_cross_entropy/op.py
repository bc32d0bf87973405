"""The public function `patch_cross_entropy`, its checks and its registration with torch."""

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from simgan.kernels.arguments import accumulation_dtype, check_floating, check_type
from simgan.kernels.dispatch import REFERENCE, TRITON, resolve_backend
from simgan.kernels.patch_cross_entropy import native_kernel, reference


def patch_cross_entropy(logits: Tensor, target: int, *, backend: str | None = None) -> Tensor:
    """Cross-entropy of per-patch logits against one class, the terms of Eq. 1 and Eq. 2.

    Replaces these plain steps:
        1. log_softmax over dim 1
        2. pick the class `target` at every patch
        3. negate, sum over the patches, mean over the images

    Args:
        logits: [N, 2, h, w], float32, bfloat16, float16 or float64, any strides; the class axis is
            dim 1.
        target: REAL (0) or REFINED (1), the class every patch should get.
        backend: name of an implementation; None takes SIMGAN_BACKEND or the best available.

    Returns:
        Scalar in nats, float32 (float64 for float64 logits), under autocast too.
        Only first-order gradients exist.

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
    """
    check_type("logits", logits)
    if target not in (reference.REAL, reference.REFINED):
        raise ValueError(f"target must be 0 (REAL) or 1 (REFINED), got {target!r}")
    if logits.dim() != 4 or logits.shape[1] != 2:
        raise ValueError(f"logits must be [N, 2, h, w], got {tuple(logits.shape)}")
    if logits.shape[0] == 0:
        raise ValueError(f"logits must be [N, 2, h, w] with N >= 1, got {tuple(logits.shape)}")
    check_floating("logits", logits)
    chosen = resolve_backend("patch_cross_entropy", backend, logits)
    loss: Tensor = _forward(logits, target, chosen)
    return loss


def _implementation(backend: str) -> ModuleType:
    if backend == REFERENCE:
        return reference
    if backend == TRITON:
        return importlib.import_module("simgan.kernels.patch_cross_entropy.triton_kernel")
    return native_kernel


@torch.library.custom_op("simgan::patch_cross_entropy", mutates_args=())
def _forward(logits: Tensor, target: int, backend: str) -> Tensor:
    loss: Tensor = _implementation(backend).forward(logits, target)
    return loss


@_forward.register_fake
def _(logits: Tensor, target: int, backend: str) -> Tensor:
    return logits.new_empty((), dtype=accumulation_dtype(logits))


@torch.library.custom_op("simgan::patch_cross_entropy_backward", mutates_args=())
def _backward(grad: Tensor, logits: Tensor, target: int, backend: str) -> Tensor:
    grad_logits: Tensor = _implementation(backend).backward(grad, logits, target)
    return grad_logits


@_backward.register_fake
def _(grad: Tensor, logits: Tensor, target: int, backend: str) -> Tensor:
    return torch.empty_like(logits)


def _setup_context(ctx: Any, inputs: tuple[Tensor, int, str], output: Tensor) -> None:
    logits, ctx.target, ctx.backend = inputs
    ctx.save_for_backward(logits)


def _autograd(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    (logits,) = ctx.saved_tensors
    return _backward(grad, logits, ctx.target, ctx.backend), None, None


_forward.register_autograd(_autograd, setup_context=_setup_context)
