"""The CUDA residual block on a GPU: what the emulated tests prove, there, and large batches."""

import pytest
import torch
from half_blocks import (
    ALL,
    BACKWARD,
    DTYPES,
    FORWARD,
    SIZES,
    assert_as_good_as_torch,
    backward_inputs,
    block_inputs,
)
from op_cases import runs_on
from torch import Tensor

from simgan.kernels import residual_block
from simgan.kernels.residual_block import cuda_kernel, reference

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available() or "cuda" not in runs_on("residual_block"),
        reason="no CUDA device, or the native module is built without CUDA",
    ),
]

# More images than one wave of blocks holds; images wider than shared memory holds.
LARGE = [(513, 35, 55, 64), (3, 224, 224, 64), (2, 31, 1000, 48)]


def on_gpu(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.cuda() for tensor in tensors]


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("size", SIZES + LARGE, ids=lambda size: "x".join(map(str, size)))
def test_values_and_gradients_are_as_near_float64_as_those_of_torch(
    size: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    inputs = on_gpu(block_inputs(size, dtype))
    truth = reference.forward(*(tensor.double() for tensor in inputs))
    ours = cuda_kernel.forward(*inputs)
    assert_as_good_as_torch(ours, reference.forward(*inputs), truth, FORWARD)
    arguments = backward_inputs(inputs)
    truth = reference.backward(*(tensor.double() for tensor in arguments), ALL)
    gradients = cuda_kernel.backward(*arguments, ALL)
    plain = reference.backward(*arguments, ALL)
    assert_as_good_as_torch(gradients, plain, truth, BACKWARD)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("size", [(64, 35, 55, 64), (3, 5, 7, 32)])
def test_a_hundred_calls_give_the_same_bits(size: tuple[int, int, int, int]) -> None:
    inputs = on_gpu(block_inputs(size, torch.bfloat16))
    arguments = backward_inputs(inputs)

    def results() -> list[Tensor]:
        return [*cuda_kernel.forward(*inputs), *cuda_kernel.backward(*arguments, ALL)]

    first = results()
    for _ in range(100):
        assert all(torch.equal(one, other) for one, other in zip(results(), first, strict=True))


def test_an_image_of_a_large_batch_is_calculated_as_it_is_alone() -> None:
    x, *weights = on_gpu(block_inputs((513, 35, 55, 64), torch.bfloat16))
    output, hidden = cuda_kernel.forward(x, *weights)
    for image in (0, 1, 256, 511, 512):
        alone, alone_hidden = cuda_kernel.forward(x[image : image + 1], *weights)
        assert torch.equal(output[image], alone[0])
        assert torch.equal(hidden[image], alone_hidden[0])


def test_a_captured_training_step_replays_its_gradients() -> None:
    leaves = [t.requires_grad_() for t in on_gpu(block_inputs((8, 35, 55, 64), torch.bfloat16))]

    def gradients() -> tuple[Tensor, ...]:
        output = residual_block(*leaves, backend="cuda")
        return torch.autograd.grad(output.float().square().sum(), leaves)

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        eager = gradients()
    side.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = gradients()
    for tensor in captured:
        tensor.zero_()
    graph.replay()
    assert all(torch.equal(one, other) for one, other in zip(captured, eager, strict=True))
