"""The case `ops`: single operations, every available backend beside plain PyTorch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from simgan.engine.benchmark.contest import Say, add_ratios
from simgan.engine.benchmark.contestants import Scene
from simgan.engine.benchmark.gate import judge
from simgan.engine.benchmark.names import EAGER
from simgan.engine.benchmark.operations import Operation, operations
from simgan.engine.benchmark.results import Row, timed_row
from simgan.engine.benchmark.rounds import measure
from simgan.kernels.dispatch import TRITON, available_backends, requested_backends, resolve_backend

FORWARD, BOTH = "forward", "forward+backward"


def ops_case(scene: Scene, say: Say) -> list[Row]:
    """Forward, and forward with backward, of a step's ops in the shapes of the gaze networks."""
    rows = []
    for operation in operations(scene):
        rows += _mode(operation, scene, FORWARD, say)
        if operation.backward_factor:
            rows += _mode(operation, scene, BOTH, say)
    return rows


def _mode(operation: Operation, scene: Scene, mode: str, say: Say) -> list[Row]:
    """Check plain PyTorch and every backend, then time those that passed."""
    say(f"{operation.name} {mode}")
    backends = [
        name
        for name in available_backends(operation.name, scene.device.type, operation.inputs[0].dtype)
        if name not in operation.limits
    ]
    if scene.device.type == "cpu":
        backends = [name for name in backends if name != TRITON]  # its interpreter times nothing
    asked = requested_backends(scene.plan.config.backend).get(operation.name)
    chosen = resolve_backend(operation.name, asked, operation.inputs[0], limits=operation.limits)
    calls: dict[str, Callable[..., Tensor]] = {EAGER: operation.plain}
    calls |= {name: _on(operation.ours, name) for name in backends}
    wide = tuple(_widened(x) for x in operation.inputs)
    upstream = operation.settled(*wide) if operation.settled else None
    results = {
        name: _results(call, operation.inputs, mode, upstream) for name, call in calls.items()
    }
    verdicts = judge(results, _results(operation.plain, wide, mode, upstream), (EAGER,))
    green = {
        name: _call(call, operation.inputs, mode)
        for name, call in calls.items()
        if verdicts[name].green
    }
    timings = measure(green, scene.plan.ops_rounds, scene.device)
    work = operation.work.times(1 + (operation.backward_factor if mode == BOTH else 0.0))
    rows = [
        timed_row(
            _labels(operation, mode, name, chosen),
            verdicts[name],
            timings.get(name),
            work,
            scene.ceilings,
        )
        for name in calls
    ]
    add_ratios(rows, timings, chosen)
    return rows


def _on(call: Callable[..., Tensor], backend: str) -> Callable[..., Tensor]:
    return lambda *inputs: call(*inputs, backend=backend)


def _results(
    call: Callable[..., Tensor], inputs: tuple[Tensor, ...], mode: str, upstream: Tensor | None
) -> dict[str, Tensor]:
    """What the gate compares: the output, and in the longer mode the gradients."""
    inputs = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
    output = call(*inputs)
    found = {"output": output.detach().clone()}
    if mode == BOTH:
        sources = [x for x in inputs if x.requires_grad]
        weights = torch.ones_like(output)
        if upstream is not None:
            weights *= upstream
        gradients = torch.autograd.grad(output, sources, weights)
        found |= {f"gradient {number}": grad for number, grad in enumerate(gradients)}
    return found


def _call(
    call: Callable[..., Tensor], inputs: tuple[Tensor, ...], mode: str
) -> Callable[[], object]:
    if mode == FORWARD:

        def forward() -> object:
            with torch.no_grad():
                return call(*inputs)

        return forward
    sources = [x for x in inputs if x.requires_grad]
    upstream = torch.ones_like(call(*inputs))
    return lambda: torch.autograd.grad(call(*inputs), sources, upstream)


def _widened(x: Tensor) -> Tensor:
    """The same numbers in float64; indices stay."""
    if not x.is_floating_point():
        return x
    return x.detach().double().requires_grad_(x.requires_grad)


def _labels(operation: Operation, mode: str, name: str, chosen: str) -> dict[str, Any]:
    first = operation.inputs[0]
    return {
        "case": operation.name,
        "mode": mode,
        "variant": name,
        "chosen": name == chosen,
        "shape": list(first.shape),
        "dtype": str(first.dtype).removeprefix("torch."),
        "memory_format": "channels_last",
    }
