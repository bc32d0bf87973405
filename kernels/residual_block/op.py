"""The public function `residual_block`, its checks and its registration with torch."""

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from simgan.kernels.arguments import (
    check_floating,
    check_same_device,
    check_same_dtype,
    check_type,
)
from simgan.kernels.dispatch import CPP, CUDA, HOPPER, TRITON
from simgan.kernels.layout import memory_format
from simgan.kernels.residual_block import reference
from simgan.kernels.residual_block.choice import backend_of_blocks
from simgan.kernels.residual_block.hopper import run_hopper
from simgan.kernels.residual_block.padding import ZEROS, Padding, check_padding


def residual_block(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    *,
    padding: Padding = ZEROS,
    backend: str | None = None,
) -> Tensor:
    """One residual block of the refiner: relu(conv(relu(conv(x))) + x), stride 1, size kept.

    Replaces these plain steps:
        1. padding by k // 2 pixels, convolution with weight1, plus bias1
        2. relu
        3. padding by k // 2 pixels, convolution with weight2, plus bias2
        4. plus x
        5. relu

    Under autocast every input is cast to the device's autocast dtype, as torch does for conv2d.

    Args:
        x: [N, C, H, W], float32, bfloat16, float16 or float64, any strides.
        weight1: [C, C, k, k], k odd, dtype and device of x.
        bias1: [C].
        weight2: [C, C, k, k].
        bias2: [C].
        padding: what both convolutions see beyond the border of their input: "zeros", or
            "replicate" for the nearest pixel.
        backend: name of an implementation; None takes SIMGAN_BACKEND or the best available.

    Returns:
        [N, C, H, W], dtype of x (the autocast dtype under autocast), channels_last if x or weight1
        is, else contiguous. Only first-order gradients exist; each is calculated only if needed
        (by "hopper", all if one is).

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
    """
    arguments = check_block(x, weight1, bias1, weight2, bias2)
    check_padding(padding)
    channels, kernel, columns = x.shape[1], weight1.shape[-1], x.shape[3]
    chosen = backend_of_blocks(arguments[0], channels, kernel, backend, columns, padding=padding)
    if chosen == HOPPER:
        return run_hopper(arguments[0], arguments[1:])
    differentiated = any(value.requires_grad for value in arguments)
    keep_hidden = differentiated and torch.is_grad_enabled()
    output: Tensor = _forward(*arguments, chosen, keep_hidden, padding)[0]
    return output


def check_block(
    x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
) -> tuple[Tensor, ...]:
    """The arguments as the op calculates with them: in the autocast dtype, under autocast.

    Raises:
        ValueError: one of them does not fit.
    """
    arguments = {
        "x": x,
        "weight1": weight1,
        "bias1": bias1,
        "weight2": weight2,
        "bias2": bias2,
    }
    for name, value in arguments.items():
        check_type(name, value)
    _check_shapes(arguments)
    for name, value in arguments.items():
        check_floating(name, value)
    device_type = x.device.type
    if torch.is_autocast_enabled(device_type):
        dtype = torch.get_autocast_dtype(device_type)
        arguments = {name: value.to(dtype) for name, value in arguments.items()}
    for name, value in arguments.items():
        check_same_dtype(name, value, "x", arguments["x"])
        check_same_device(name, value, "x", x)
    return tuple(arguments.values())


def _check_shapes(arguments: dict[str, Tensor]) -> None:
    x = arguments["x"]
    if x.dim() != 4 or min(x.shape) == 0:
        raise ValueError(f"x must be [N, C, H, W] with no empty side, got {tuple(x.shape)}")
    channels = x.shape[1]
    size = arguments["weight1"].shape[-1] if arguments["weight1"].dim() == 4 else 3
    for name in ("weight1", "weight2"):
        shape = tuple(arguments[name].shape)
        if shape != (channels, channels, size, size) or size % 2 == 0:
            raise ValueError(
                f"{name} must be [C, C, k, k] with C = {channels} channels of x and the same odd k "
                f"in both, got {shape}"
            )
    for name in ("bias1", "bias2"):
        shape = tuple(arguments[name].shape)
        if shape != (channels,):
            raise ValueError(f"{name} must be [C] with C = {channels} channels of x, got {shape}")


def _implementation(backend: str) -> ModuleType:
    if backend == TRITON:
        return importlib.import_module("simgan.kernels.residual_block.triton_kernel")
    if backend == CPP:
        return importlib.import_module("simgan.kernels.residual_block.native_kernel")
    if backend == CUDA:
        return importlib.import_module("simgan.kernels.residual_block.cuda_kernel")
    return reference


@torch.library.custom_op("simgan::residual_block", mutates_args=())
def _forward(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    backend: str,
    keep_hidden: bool = True,
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor]:
    forward = _implementation(backend).forward
    output, hidden = forward(x, weight1, bias1, weight2, bias2, keep_hidden, padding)
    return output, hidden


@_forward.register_fake
def _(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    backend: str,
    keep_hidden: bool = True,
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor]:
    layout = memory_format(x, weight1)
    return (
        torch.empty_like(x, memory_format=layout),
        torch.empty_like(x, memory_format=layout) if keep_hidden else x.new_empty(0),
    )


@torch.library.custom_op("simgan::residual_block_backward", mutates_args=())
def _backward(
    grad: Tensor,
    x: Tensor,
    hidden: Tensor,
    output: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    needs: list[bool],
    backend: str,
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    gradients: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = _implementation(backend).backward(
        grad, x, hidden, output, weight1, weight2, needs, padding
    )
    return gradients


@_backward.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    hidden: Tensor,
    output: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    needs: list[bool],
    backend: str,
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    full = (
        torch.empty_like(x, memory_format=memory_format(x, weight1)),
        torch.empty_like(weight1, memory_format=memory_format(weight1)),
        x.new_empty(x.shape[1]),
        torch.empty_like(weight2, memory_format=memory_format(weight2)),
        x.new_empty(x.shape[1]),
    )
    first, second, third, fourth, fifth = (
        tensor if needed else x.new_empty(0) for tensor, needed in zip(full, needs, strict=True)
    )
    return first, second, third, fourth, fifth


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight1, _, weight2, _, ctx.backend, _, ctx.padding = inputs
    result, hidden = output
    ctx.mark_non_differentiable(hidden)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, hidden, result, weight1, weight2)


def _autograd(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 8
    x, hidden, output, weight1, weight2 = ctx.saved_tensors
    assert hidden.shape == x.shape, "the hidden map was not kept"
    needs = list(ctx.needs_input_grad[:5])
    saved = (x, hidden, output, weight1, weight2)
    gradients = _backward(grad, *saved, needs, ctx.backend, ctx.padding)
    kept = (gradient if needed else None for gradient, needed in zip(gradients, needs, strict=True))
    return (*kept, None, None, None)


_forward.register_autograd(_autograd, setup_context=_setup_context)
