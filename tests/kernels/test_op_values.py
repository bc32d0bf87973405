"""Every backend of every differentiable op: values, gradients, repeatability."""

import pytest
import torch
from op_cases import CASES, LAYOUTS, SMALL, OpCase, dtypes_of, value_and_gradients
from torch import Tensor

RUNS = [
    pytest.param(case, backend, id=f"{case.id}-{backend}")
    for case in SMALL
    for backend in case.backends
]
DTYPE_RUNS = [
    pytest.param(case, backend, dtype, id=f"{case.id}-{backend}-{str(dtype)[6:]}")
    for case in CASES
    for backend in case.backends
    for dtype in dtypes_of(case.op, backend)
]


def largest_error(result: Tensor, truth: Tensor) -> float:
    assert result.shape == truth.shape
    return (result.double() - truth).abs().max().item()


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize(("case", "backend", "dtype"), DTYPE_RUNS)
def test_error_is_at_most_twice_that_of_plain_torch(
    case: OpCase, backend: str, dtype: torch.dtype
) -> None:
    inputs = case.inputs(dtype)
    truth = value_and_gradients(case.plain, [tensor.double() for tensor in inputs])
    plain = value_and_gradients(case.plain, inputs)
    ours = value_and_gradients(lambda tensors: case.run(tensors, backend), inputs)
    for index, (ours_one, plain_one, true_one) in enumerate(zip(ours, plain, truth, strict=True)):
        tiny = case.tolerance(backend, dtype) * true_one.abs().max().item()
        bound = 2 * largest_error(plain_one, true_one) + tiny
        assert largest_error(ours_one, true_one) <= bound, f"output {index}"


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("layout", LAYOUTS[1:])
@pytest.mark.parametrize(("case", "backend"), RUNS)
def test_layout_of_the_inputs_does_not_change_the_values(
    case: OpCase, backend: str, layout: str
) -> None:
    def run(tensors: list[Tensor]) -> Tensor:
        return case.run(tensors, backend)

    dtype = case.widest_dtype(backend)
    expected = value_and_gradients(run, case.inputs(dtype))
    for ours, other in zip(
        value_and_gradients(run, case.inputs(dtype, layout)), expected, strict=True
    ):
        # Measured on two x86-64 cores: oneDNN's channels_last convolutions differ by up to 3e-6.
        torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("case", "backend"), RUNS)
def test_no_row_of_a_gradient_is_lost(case: OpCase, backend: str) -> None:
    inputs = case.inputs(case.widest_dtype(backend))
    truth = value_and_gradients(case.plain, [tensor.double() for tensor in inputs])
    ours = value_and_gradients(lambda tensors: case.run(tensors, backend), inputs)
    for gradient, true_gradient in zip(ours[1:], truth[1:], strict=True):
        # Below the smallest float32 a gradient may vanish.
        rows = true_gradient.reshape(len(true_gradient), -1).abs().amax(1) > 1e-30
        assert torch.equal(gradient.reshape(len(gradient), -1).abs().amax(1)[rows] > 0, rows[rows])


@pytest.mark.parametrize(("case", "backend"), RUNS)
def test_a_repeated_call_gives_the_same_bits(case: OpCase, backend: str) -> None:
    inputs = case.inputs(case.widest_dtype(backend))
    first = value_and_gradients(lambda tensors: case.run(tensors, backend), inputs)
    second = value_and_gradients(lambda tensors: case.run(tensors, backend), inputs)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_reference_gradients_hold_against_finite_differences(case: OpCase) -> None:
    inputs = [tensor.requires_grad_() for tensor in case.inputs(torch.float64)]
    assert torch.autograd.gradcheck(
        lambda *tensors: case.run(list(tensors), "reference"), inputs, fast_mode=True
    )


@pytest.mark.parametrize(("case", "backend"), RUNS)
def test_a_not_a_number_in_the_input_is_never_hidden(case: OpCase, backend: str) -> None:
    inputs = case.inputs(case.widest_dtype(backend))
    inputs[0].view(-1)[0] = float("nan")
    ours = value_and_gradients(lambda tensors: case.run(tensors, backend), inputs)
    plain = value_and_gradients(case.plain, inputs)
    assert ours[0].isnan().any()
    for one, other in zip(ours, plain, strict=True):
        assert one.isnan().any() == other.isnan().any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_graph_replay_equals_eager(case: OpCase) -> None:
    for backend in case.backends:
        inputs = case.inputs(case.widest_dtype(backend))
        eager = value_and_gradients(lambda t, b=backend: case.run(t, b), inputs)[0]
        graph = torch.cuda.CUDAGraph()
        with torch.no_grad():
            case.run(inputs, backend)
            with torch.cuda.graph(graph):
                captured = case.run(inputs, backend)
        captured.zero_()
        graph.replay()
        assert torch.equal(captured, eager)
