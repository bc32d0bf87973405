"""The public function `refiner_loss`, its checks and its registration with torch."""

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from simgan.kernels.arguments import (
    accumulation_dtype,
    check_floating,
    check_same_device,
    check_type,
)
from simgan.kernels.dispatch import REFERENCE, TRITON, resolve_backend
from simgan.kernels.refiner_loss import native_kernel, reference


def refiner_loss(
    logits: Tensor,
    refined: Tensor,
    target: Tensor,
    lambda_reg: float,
    *,
    backend: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of the refiner, Eq. 4, with its gradients calculated on the way.

    Replaces these plain steps:
        1. realism = patch_cross_entropy(logits, REAL)
        2. regularization = self_regularization(refined, target)
        3. total = realism + lambda_reg * regularization
        4. the gradients of the total by logits and refined, where they are needed; what is kept
           for them is 4 bytes a logit and 1 byte a number of `refined`

    Args:
        logits: [N, 2, h, w], float32, bfloat16, float16 or float64, any strides; D(refined image),
            the class axis is dim 1.
        refined: [N, ...], the refined images or a feature transform of them; the floating dtypes
            of the three may differ.
        target: shape of `refined`, the same of the synthetic images; gets no gradient.
        lambda_reg: weight of the regularization.
        backend: name of an implementation; None takes SIMGAN_BACKEND or the best available.

    Returns:
        (total, realism, regularization), scalars, float32 (float64 if an input is), under autocast
        too: sums over patches and numbers, means over images. Only the total has gradients, of
        first order; the one by `refined` is 0 where it equals the target.

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
    """
    tensors = {"logits": logits, "refined": refined, "target": target}
    for name, tensor in tensors.items():
        check_type(name, tensor)
    if logits.dim() != 4 or logits.shape[1] != 2 or logits.shape[0] == 0:
        raise ValueError(f"logits must be [N, 2, h, w] with N >= 1, got {tuple(logits.shape)}")
    if refined.dim() == 0 or refined.shape[0] != logits.shape[0]:
        raise ValueError(
            f"refined must be [N, ...] with N = {logits.shape[0]} as in logits, "
            f"got {tuple(refined.shape)}"
        )
    if refined.shape != target.shape:
        raise ValueError(
            f"target must have the shape of refined, {tuple(refined.shape)}, "
            f"got {tuple(target.shape)}"
        )
    for name, tensor in tensors.items():
        check_floating(name, tensor)
        check_same_device(name, tensor, "logits", logits)
    if target.requires_grad and torch.is_grad_enabled():
        raise ValueError("target must not require a gradient: none is calculated for it")
    chosen = resolve_backend("refiner_loss", backend, logits, refined, target)
    needs = [t.requires_grad and torch.is_grad_enabled() for t in (logits, refined)]
    total, realism, regularization, _, _ = _forward(
        logits, refined, target, lambda_reg, needs, chosen
    )
    return total, realism, regularization


def _implementation(backend: str) -> ModuleType:
    if backend == REFERENCE:
        return reference
    if backend == TRITON:
        return importlib.import_module("simgan.kernels.refiner_loss.triton_kernel")
    return native_kernel


@torch.library.custom_op("simgan::refiner_loss", mutates_args=())
def _forward(
    logits: Tensor,
    refined: Tensor,
    target: Tensor,
    lambda_reg: float,
    needs: list[bool],
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    losses: reference.Losses = _implementation(backend).forward(
        logits, refined, target, lambda_reg, needs
    )
    return losses


@_forward.register_fake
def _(
    logits: Tensor,
    refined: Tensor,
    target: Tensor,
    lambda_reg: float,
    needs: list[bool],
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    dtype = accumulation_dtype(logits, refined, target)
    total, realism, regularization = (logits.new_empty((), dtype=dtype) for _ in range(3))
    gradients = reference.new_gradients(logits, refined, dtype, needs)
    return total, realism, regularization, *gradients


@torch.library.custom_op("simgan::refiner_loss_backward", mutates_args=())
def _backward(
    grad: Tensor,
    slopes: Tensor,
    signs: Tensor,
    scale: float,
    dtype_logits: torch.dtype,
    dtype_refined: torch.dtype,
    backend: str,
) -> tuple[Tensor, Tensor]:
    gradients: tuple[Tensor, Tensor] = _implementation(backend).backward(
        grad, slopes, signs, scale, dtype_logits, dtype_refined
    )
    return gradients


@_backward.register_fake
def _(
    grad: Tensor,
    slopes: Tensor,
    signs: Tensor,
    scale: float,
    dtype_logits: torch.dtype,
    dtype_refined: torch.dtype,
    backend: str,
) -> tuple[Tensor, Tensor]:
    return (
        torch.empty_like(slopes, dtype=dtype_logits),
        torch.empty_like(signs, dtype=dtype_refined),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    logits, refined, _, lambda_reg, ctx.needs, ctx.backend = inputs
    _, realism, regularization, slopes, signs = output
    ctx.mark_non_differentiable(realism, regularization, slopes, signs)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(slopes, signs)
    ctx.scale = lambda_reg / logits.shape[0]
    ctx.dtypes = (logits.dtype, refined.dtype)


def _autograd(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 6
    slopes, signs = ctx.saved_tensors
    gradients = _backward(grad, slopes, signs, ctx.scale, *ctx.dtypes, ctx.backend)
    kept = (gradient if n else None for gradient, n in zip(gradients, ctx.needs, strict=True))
    return (*kept, None, None, None, None)


_forward.register_autograd(_autograd, setup_context=_setup_context)
