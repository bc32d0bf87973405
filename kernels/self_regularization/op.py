"""The public function `self_regularization`, its checks and its registration with torch."""

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
from simgan.kernels.self_regularization import native_kernel, reference


def self_regularization(
    refined: Tensor, synthetic: Tensor, *, backend: str | None = None
) -> Tensor:
    """L1 distance between refined images and their sources: the second term of Eq. 4, no lambda.

    Replaces these plain steps:
        1. subtract
        2. absolute value
        3. sum over everything but dim 0, mean over dim 0

    Args:
        refined: [N, ...], float32, bfloat16, float16 or float64, any strides.
        synthetic: same shape and device; the floating dtype may differ, the difference is not
            rounded to it.
        backend: name of an implementation; None takes SIMGAN_BACKEND or the best available.

    Returns:
        Scalar in units of the images, float32 (float64 if an input is), under autocast too.
        The gradient where both are equal is 0. Only first-order gradients exist.

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
    """
    check_type("refined", refined)
    check_type("synthetic", synthetic)
    if refined.shape != synthetic.shape:
        raise ValueError(
            f"synthetic must have the shape of refined, {tuple(refined.shape)}, "
            f"got {tuple(synthetic.shape)}"
        )
    if refined.dim() == 0 or refined.shape[0] == 0:
        raise ValueError(f"refined must be [N, ...] with N >= 1, got {tuple(refined.shape)}")
    check_floating("refined", refined)
    check_floating("synthetic", synthetic)
    check_same_device("synthetic", synthetic, "refined", refined)
    chosen = resolve_backend("self_regularization", backend, refined, synthetic)
    loss: Tensor = _forward(refined, synthetic, chosen)
    return loss


def _implementation(backend: str) -> ModuleType:
    if backend == REFERENCE:
        return reference
    if backend == TRITON:
        return importlib.import_module("simgan.kernels.self_regularization.triton_kernel")
    return native_kernel


@torch.library.custom_op("simgan::self_regularization", mutates_args=())
def _forward(refined: Tensor, synthetic: Tensor, backend: str) -> Tensor:
    loss: Tensor = _implementation(backend).forward(refined, synthetic)
    return loss


@_forward.register_fake
def _(refined: Tensor, synthetic: Tensor, backend: str) -> Tensor:
    return refined.new_empty((), dtype=accumulation_dtype(refined, synthetic))


@torch.library.custom_op("simgan::self_regularization_backward", mutates_args=())
def _backward(grad: Tensor, refined: Tensor, synthetic: Tensor, backend: str) -> Tensor:
    grad_refined: Tensor = _implementation(backend).backward(grad, refined, synthetic)
    return grad_refined


@_backward.register_fake
def _(grad: Tensor, refined: Tensor, synthetic: Tensor, backend: str) -> Tensor:
    return torch.empty_like(refined)


def _setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str], output: Tensor) -> None:
    refined, synthetic, ctx.backend = inputs
    ctx.save_for_backward(refined, synthetic)


def _autograd(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    refined, synthetic = ctx.saved_tensors
    needs_refined, needs_synthetic, _ = ctx.needs_input_grad
    # |a - b| is symmetric: the gradient by `synthetic` is the same op, arguments exchanged.
    grad_refined = _backward(grad, refined, synthetic, ctx.backend) if needs_refined else None
    grad_synthetic = _backward(grad, synthetic, refined, ctx.backend) if needs_synthetic else None
    return grad_refined, grad_synthetic, None


_forward.register_autograd(_autograd, setup_context=_setup_context)
