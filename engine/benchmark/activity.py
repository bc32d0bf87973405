"""What happens inside one call: torch ops, kernels, launches, copies, and how busy the GPU is."""

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from simgan.engine.benchmark.rounds import synchronize

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cuGraphLaunch")
OP_SPACES = ("aten::", "simgan::")


class Span(NamedTuple):
    """One event of a trace, in microseconds.

    Attributes:
        name: of the kernel, the copy, the driver's call or the op.
        on_gpu: whether it ran on the device.
        nested: whether it is part of another op on the host.
    """

    name: str
    on_gpu: bool
    start: float
    end: float
    nested: bool = False


def profiler(device: torch.device) -> profile:
    """torch's profiler for the host and, if it is one, the GPU."""
    # The tracer beneath writes two lines to stderr per trace unless its level is above them all.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    return profile(activities=kinds)


def activity(call: Callable[[], object], device: torch.device) -> dict[str, Any]:
    """Trace one call that is already warm; see `tally` for what is returned."""
    synchronize(device)
    with profiler(device) as trace:
        call()
        synchronize(device)
    spans = [
        Span(
            event.name,
            event.device_type.name != "CPU",
            event.time_range.start,
            event.time_range.end,
            _inside_an_op(event),
        )
        for event in trace.events() or ()
    ]
    return tally(spans, device.type == "cuda")


def tally(spans: Iterable[Span], on_gpu: bool) -> dict[str, Any]:
    """Counts of one call.

    Returns:
        `torch_ops`: ops that the host asked for, those inside another op not counted; and on a GPU,
        else None: `kernels` that ran, `launches` of kernels and graphs, `copies` to, from and on
        the device, `busy_share`: part of the time from the first to the last of these in which the
        device worked.
    """
    spans = list(spans)
    ops = [s for s in spans if not s.on_gpu and not s.nested and s.name.startswith(OP_SPACES)]
    counts: dict[str, Any] = {"torch_ops": len(ops)}
    device = [span for span in spans if span.on_gpu]
    copies = [span for span in device if span.name.startswith(("Memcpy", "Memset"))]
    launches = [s for s in spans if not s.on_gpu and s.name.startswith(LAUNCHES)]
    counts["kernels"] = len(device) - len(copies) if on_gpu else None
    counts["launches"] = len(launches) if on_gpu else None
    counts["copies"] = len(copies) if on_gpu else None
    counts["busy_share"] = _covered(device) if on_gpu and device else None
    return counts


def _covered(spans: list[Span]) -> float:
    """Length of the union of the spans, by the time from the first start to the last end."""
    ordered = sorted(spans, key=lambda span: span.start)
    begin = reached = ordered[0].start
    busy = 0.0
    for span in ordered:
        busy += max(0.0, span.end - max(reached, span.start))
        reached = max(reached, span.end)
    return busy / (reached - begin) if reached > begin else 1.0


def _inside_an_op(event: Any) -> bool:
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith(OP_SPACES):
            return True
        parent = parent.cpu_parent
    return False
