"""The residual blocks for sm_90a on a GPU that has it: values, gradients, chains, graphs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from trunk_cases import SIZES, assert_block_as_good_as_torch, trunk_inputs

from simgan.kernels import residual_block, residual_trunk
from simgan.kernels.dispatch import HOPPER, available_backends
from simgan.kernels.residual_block import hopper_kernel

TESTS = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available() or HOPPER not in available_backends("residual_block", "cuda"),
        reason="no GPU of compute capability 9.0, or no kernels for it",
    ),
]


# One launch of every kernel, in a process that can be ended if barriers are waited for in vain.
PROBE = """
import torch
from trunk_cases import trunk_inputs
from simgan.kernels.residual_block import hopper_kernel
x, parameters = trunk_inputs((2, 9, 11))
x, parameters = x.cuda(), [tensor.cuda() for tensor in parameters]
output, kept = hopper_kernel.forward(x, parameters, True)
hopper_kernel.backward(torch.randn_like(x), output, kept, parameters)
torch.cuda.synchronize()
"""
PROBE_LIMIT_S = 120


@pytest.fixture(scope="module", autouse=True)
def kernels_end() -> None:
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "PYTHONPATH": path},
        timeout=PROBE_LIMIT_S,
        check=True,
    )


def inputs_of(size: tuple[int, int, int], blocks: int = 1) -> tuple[Tensor, list[Tensor]]:
    x, parameters = trunk_inputs(size, blocks)
    return x.cuda(), [tensor.cuda() for tensor in parameters]


def in_blocks(parameters: list[Tensor]) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    return [tuple(parameters[at : at + 4]) for at in range(0, len(parameters), 4)]  # type: ignore


@pytest.mark.parametrize("size", [*SIZES, (133, 35, 55)], ids=lambda size: "x".join(map(str, size)))
def test_values_and_gradients_are_as_near_float64_as_those_of_torch(
    size: tuple[int, int, int],
) -> None:
    x, parameters = inputs_of(size)
    assert_block_as_good_as_torch(x, parameters, torch.randn_like(x))


def test_a_chain_is_the_blocks_in_turn() -> None:
    x, parameters = inputs_of((200, 35, 55), blocks=4)
    blocks = in_blocks(parameters)
    with torch.no_grad():
        chain = residual_trunk(x, blocks, backend=HOPPER)
        for block in blocks:
            x = residual_block(x, *block, backend=HOPPER)
    assert torch.equal(chain, x)


def test_a_repeated_call_gives_the_same_bits() -> None:
    x, parameters = inputs_of((512, 35, 55), blocks=4)
    grad = torch.randn_like(x)
    runs = []
    for _ in range(5):
        output, kept = hopper_kernel.forward(x, parameters, True)
        runs.append((output, kept, *hopper_kernel.backward(grad, output, kept, parameters)))
    for run in runs[1:]:
        assert all(torch.equal(one, other) for one, other in zip(run, runs[0], strict=True))


def test_graph_replay_equals_eager() -> None:
    x, parameters = inputs_of((64, 35, 55), blocks=4)
    blocks = in_blocks(parameters)
    with torch.no_grad():
        eager = residual_trunk(x, blocks, backend=HOPPER)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = residual_trunk(x, blocks, backend=HOPPER)
        captured.fill_(float("nan"))
        graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(captured, eager)


def test_gradients_flow_through_the_op() -> None:
    x, parameters = inputs_of((3, 9, 11), blocks=2)
    leaves = [tensor.detach().requires_grad_() for tensor in (x, *parameters)]
    output = residual_trunk(leaves[0], in_blocks(leaves[1:]), backend=HOPPER)
    grad = torch.randn_like(output)
    found = torch.autograd.grad(output, leaves, grad)
    _, kept = hopper_kernel.forward(x, parameters, True)
    expected = hopper_kernel.backward(grad, output.detach(), kept, parameters)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
