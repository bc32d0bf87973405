"""Every op, backward ops too, as torch sees it: schema, fake, strides, compilation."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from op_cases import (
    DEVICE,
    LAYOUTS,
    SMALL,
    OpCase,
    runs_on,
    value_and_gradients,
    with_gradients,
)

OPS = torch.ops.simgan
SAMPLES = [
    pytest.param(case, backend, layout, id=f"{case.id}-{backend}-{layout}")
    for case in SMALL
    for backend in case.backends
    for layout in LAYOUTS
]


def forward_arguments(case: OpCase, inputs: list[torch.Tensor], backend: str) -> tuple[Any, ...]:
    extra: tuple[Any, ...] = (1,) if case.op == "patch_cross_entropy" else ()
    if case.op == "refiner_loss":
        extra = (inputs[1].detach().flip(0), 0.3, [tensor.requires_grad for tensor in inputs])
    last = (True, case.padding) if case.op == "residual_block" else ()
    return (*inputs, *extra, backend, *last)


def backward_arguments(
    case: OpCase, inputs: list[torch.Tensor], backend: str
) -> Iterator[tuple[Any, ...]]:
    inputs = [tensor.detach() for tensor in inputs]
    if case.op == "residual_block":
        x, weight1, _, weight2, _ = inputs
        output, hidden = OPS.residual_block(*inputs, backend, padding=case.padding)
        subsets = [[True] * 5, [True] + [False] * 4, [False] + [True] * 4]
        for needs in subsets if backend in ("reference", "cpp", "cuda") else subsets[:1]:
            grad = torch.randn_like(output)
            yield grad, x, hidden, output, weight1, weight2, needs, backend, case.padding
    elif case.op == "refiner_loss":
        logits, refined = inputs
        for needs in ([True, True], [True, False], [False, True]):
            *_, slopes, signs = OPS.refiner_loss(logits, refined, refined, 0.3, needs, backend)
            grad, dtypes = torch.ones((), device=DEVICE), (logits.dtype, refined.dtype)
            yield grad, slopes, signs, 0.1, *dtypes, backend
    else:
        yield torch.ones((), device=DEVICE), *forward_arguments(case, inputs, backend)


@pytest.mark.parametrize(("case", "backend", "layout"), SAMPLES)
def test_opcheck_passes(case: OpCase, backend: str, layout: str) -> None:
    inputs = with_gradients(case.inputs(case.widest_dtype(backend), layout))
    torch.library.opcheck(getattr(OPS, case.op).default, forward_arguments(case, inputs, backend))


@pytest.mark.parametrize(("case", "backend", "layout"), SAMPLES)
def test_opcheck_passes_for_the_backward_op(case: OpCase, backend: str, layout: str) -> None:
    op = getattr(OPS, f"{case.op}_backward").default
    inputs = case.inputs(case.widest_dtype(backend), layout)
    for arguments in backward_arguments(case, inputs, backend):
        torch.library.opcheck(op, arguments)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("backend", runs_on("history_replace"))
def test_opcheck_passes_for_the_op_that_writes_its_input(backend: str, layout: str) -> None:
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    buffer = torch.randn(5, 3, 4, 6, device=DEVICE).contiguous(memory_format=memory)
    slots = torch.tensor([4, 1], device=DEVICE)
    torch.library.opcheck(
        OPS.history_replace_.default, (buffer, torch.randn_like(buffer[:2]), slots, backend)
    )


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("backend", runs_on("history_exchange"))
def test_opcheck_passes_for_the_op_that_writes_two_inputs(backend: str, layout: str) -> None:
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    buffer = torch.randn(5, 3, 4, 6, device=DEVICE).contiguous(memory_format=memory)
    state = torch.tensor([3, 1], device=DEVICE)
    torch.library.opcheck(
        OPS.history_exchange_.default, (buffer, torch.randn_like(buffer[:2]), state, backend)
    )


@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_compiles_as_one_graph_with_the_same_values(case: OpCase, backend: str | None) -> None:
    torch._dynamo.reset()  # torch counts recompilations of one code object over all cases
    compiled = torch.compile(
        lambda *tensors: case.run(list(tensors), backend), fullgraph=True, backend="aot_eager"
    )
    inputs = case.inputs(torch.float32, "channels_last")
    eager = value_and_gradients(lambda tensors: case.run(tensors, backend), inputs)
    traced = value_and_gradients(lambda tensors: compiled(*tensors), inputs)
    assert all(torch.equal(one, other) for one, other in zip(traced, eager, strict=True))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_second_order_gradients_are_refused(case: OpCase) -> None:
    inputs = with_gradients(case.inputs(torch.float64))
    (gradient,) = torch.autograd.grad(
        case.run(inputs, "reference").sum(), inputs[:1], create_graph=True
    )
    with pytest.raises(RuntimeError, match=r"autograd|does not require grad"):
        gradient.sum().backward()
