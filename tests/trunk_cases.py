"""Chains of residual blocks as backend "hopper" takes them, and what their results are held to."""

import torch
from half_blocks import ALL, BACKWARD, FORWARD, assert_as_good_as_torch
from torch import Tensor

from simgan.kernels.residual_block import hopper_kernel, reference

# images, height, width: one pixel, many tiny images, one row, one column, primes, the widest, the
# paper's
SIZES = [
    (1, 1, 1),
    (70, 1, 1),
    (3, 5, 7),
    (2, 1, 59),
    (1, 130, 1),
    (2, 13, 23),
    (1, 4, 110),
    (2, 35, 55),
]


def trunk_inputs(size: tuple[int, int, int], blocks: int = 1) -> tuple[Tensor, list[Tensor]]:
    """x and the parameters of every block, bfloat16 on the CPU."""
    images, height, width = size
    torch.manual_seed(height + blocks)
    x = torch.randn(images, 64, height, width).contiguous(memory_format=torch.channels_last)
    scale = 0.5 / 64**0.5
    parameters = [
        tensor.bfloat16()
        for _ in range(2 * blocks)
        for tensor in (torch.randn(64, 64, 3, 3) * scale, torch.randn(64))
    ]
    return x.bfloat16(), parameters


def kept_maps(kept: Tensor, size: tuple[int, int, int]) -> list[Tensor]:
    """What the forward pass kept, as maps: input and hidden map of every block.

    Checks that all padding of the streams is zero (csrc/cuda/residual_trunk_stream.cuh).
    """
    images, height, width = size
    slots = images * (height + 1) * (width + 1)
    chunks, margin = -(-slots // 112), -(-(width + 2) // 16) * 16
    lead = 112 + margin
    streams = kept.view(torch.bfloat16).view(-1, 8, chunks * 112 + 2 * lead, 8)
    assert not streams[:, :, :lead].any() and not streams[:, :, lead + slots :].any()
    inner = streams[:, :, lead : lead + slots]
    inner = inner.reshape(-1, 8, images, height + 1, width + 1, 8)
    assert not inner[:, :, :, height].any() and not inner[..., width, :].any()
    maps = inner[:, :, :, :height, :width].permute(0, 2, 1, 5, 3, 4)
    return list(maps.reshape(-1, images, 64, height, width))


def assert_block_as_good_as_torch(x: Tensor, parameters: list[Tensor], grad: Tensor) -> None:
    """Holds value and gradients of one block to those of torch and float64."""
    weight1, _, weight2, _ = parameters
    images, _, height, width = x.shape
    truth = reference.forward(*(tensor.double() for tensor in (x, *parameters)))
    output, kept = hopper_kernel.forward(x, parameters, True)
    source, hidden = kept_maps(kept, (images, height, width))
    assert torch.equal(source, x)
    plain = reference.forward(x, *parameters)
    assert_as_good_as_torch((output, hidden), plain, truth, FORWARD)
    # Both get one hidden and one output map: where a relu's input is near 0, rounding decides.
    arguments = (grad, x, hidden, output, weight1, weight2)
    ours = hopper_kernel.backward(grad, output, kept, parameters)
    plain = reference.backward(*arguments, ALL)
    truth = reference.backward(*(tensor.double() for tensor in arguments), ALL)
    assert_as_good_as_torch(ours, plain, truth, BACKWARD)
