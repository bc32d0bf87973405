"""Residual blocks on 16-bit maps: inputs of every size, and the rule for their results."""

from collections.abc import Iterable

import torch
from torch import Tensor

from simgan.kernels.residual_block import reference

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
SIZES = [
    # images, height, width, channels: one pixel, many tiny images, one row, primes, the paper's
    (1, 1, 1, 64),
    (300, 1, 1, 16),
    (3, 5, 7, 64),
    (2, 7, 9, 48),
    (1, 1, 300, 32),
    (1, 300, 1, 16),
    (2, 37, 41, 32),
    (2, 35, 55, 64),
]
ALL = [True] * 5
FORWARD = ("output", "hidden")
BACKWARD = ("x", "weight1", "bias1", "weight2", "bias2")


def block_inputs(size: tuple[int, int, int, int], dtype: torch.dtype) -> list[Tensor]:
    """x (channels_last), weight1, bias1, weight2, bias2."""
    images, height, width, channels = size
    torch.manual_seed(channels + height)
    shape = (channels, channels, 3, 3)
    scale = 0.5 / channels**0.5
    x = torch.randn(images, channels, height, width)
    tensors = (
        x.contiguous(memory_format=torch.channels_last),
        *(torch.randn(shape) * scale, torch.randn(channels)),
        *(torch.randn(shape) * scale, torch.randn(channels)),
    )
    return [tensor.to(dtype) for tensor in tensors]


def backward_inputs(inputs: list[Tensor]) -> list[Tensor]:
    """grad, x, hidden, output, weight1, weight2.

    Both sides of a comparison get these maps: where a relu's input is near 0, rounding decides.
    """
    x, weight1, _, weight2, _ = inputs
    output, hidden = reference.forward(*inputs)
    return [torch.randn_like(x), x, hidden, output, weight1, weight2]


def assert_as_good_as_torch(
    ours: Iterable[Tensor],
    plain: Iterable[Tensor],
    truth: Iterable[Tensor],
    names: tuple[str, ...],
) -> None:
    """The rule of test_op_values.py: two last places beside twice torch's own error."""
    for name, one, plain_one, true_one in zip(names, ours, plain, truth, strict=True):
        assert one.shape == true_one.shape
        tiny = 2 * torch.finfo(one.dtype).eps * true_one.abs().max()
        allowed = 2 * (plain_one.double() - true_one).abs().max() + tiny
        assert (one.double() - true_one).abs().max() <= allowed, name
