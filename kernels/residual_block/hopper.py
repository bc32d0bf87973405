"""The chain of residual blocks of `hopper_kernel` as an op of torch, with its gradient."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simgan.kernels.residual_block import hopper_kernel


def run_hopper(x: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Blocks in turn; weight1, bias1, weight2, bias2 of each are `parameters`, checked as x is."""
    differentiated = any(value.requires_grad for value in (x, *parameters))
    keep = differentiated and torch.is_grad_enabled()
    output: Tensor = _forward(x, list(parameters), keep)[0]
    return output


@torch.library.custom_op("simgan::residual_trunk", mutates_args=())
def _forward(x: Tensor, parameters: list[Tensor], keep: bool) -> tuple[Tensor, Tensor]:
    return hopper_kernel.forward(x, parameters, keep)


@_forward.register_fake
def _(x: Tensor, parameters: list[Tensor], keep: bool) -> tuple[Tensor, Tensor]:
    output = hopper_kernel.output_like(x, parameters)
    return output, hopper_kernel.kept_memory(x, len(parameters) // 4, keep)


@torch.library.custom_op("simgan::residual_trunk_backward", mutates_args=())
def _backward(grad: Tensor, output: Tensor, kept: Tensor, parameters: list[Tensor]) -> list[Tensor]:
    return hopper_kernel.backward(grad, output, kept, parameters)


@_backward.register_fake
def _(grad: Tensor, output: Tensor, kept: Tensor, parameters: list[Tensor]) -> list[Tensor]:
    return hopper_kernel.gradients_like(output, parameters)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    result, kept = output
    ctx.mark_non_differentiable(kept)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(result, kept, *inputs[1])


def _autograd(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    output, kept, *parameters = ctx.saved_tensors
    if grad is None:
        return None, [None] * len(parameters), None
    assert kept.numel() > 0, "the activations were not kept"
    grad_x, *gradients = _backward(grad, output, kept, parameters)
    return grad_x, gradients, None


_forward.register_autograd(_autograd, setup_context=_setup_context)
