"""A trace of a few of our steps and of refining, for a viewer such as ui.perfetto.dev."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.profiler import record_function

from simgan.engine.benchmark.activity import profiler
from simgan.engine.benchmark.contest import Say
from simgan.engine.benchmark.contestants import Ours, build_scene, with_format
from simgan.engine.benchmark.plan import Plan
from simgan.engine.benchmark.rounds import synchronize
from simgan.engine.precision import on_device, pick_device

STEPS = 3
WARM_UP = 3  # steps before the trace: allocator, autotuning
RANGES = ("refine", "refiner update", "discriminator update", "R forward", "D forward", "history")


def write_trace(plan: Plan, path: Path, say: Say = lambda text: None) -> None:
    """Trace STEPS full steps and as many refinings of a batch; write Chrome's JSON to `path`.

    The ranges of RANGES stand in the trace; on a GPU those around updates and networks are NVTX
    ranges too, so that `nsys profile simgan-engine bench --profile ...` shows them. Steps run
    without CUDA graphs: a graph is one launch, in which no range can be seen.

    Raises:
        OSError: `path` cannot be written.
    """
    device = pick_device(plan.config.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.threads or threads)
    try:
        with on_device(device):
            config = dataclasses.replace(plan.config, graphs=False)
            scene = build_scene(dataclasses.replace(plan, config=config))
            ours = scene.ours()
            scene.load(ours)
            work = _ranged_work(
                ours,
                with_format(scene.synthetic, True),
                with_format(scene.real, True),
                (plan.config.k_g, plan.config.k_d),
            )
            say("profile: warming up")
            for _ in range(WARM_UP):
                work()
            say(f"profile: {STEPS} steps")
            with profiler(device) as trace:
                for _ in range(STEPS):
                    work()
                synchronize(device)
            trace.export_chrome_trace(str(path))
    finally:
        torch.set_num_threads(threads)


def _ranged_work(
    ours: Ours, synthetic: torch.Tensor, real: torch.Tensor, updates: tuple[int, int]
) -> Callable[[], None]:
    """One full step and one refining, with their ranges."""
    _range_forward(ours.refiner, "R forward")
    _range_forward(ours.discriminator, "D forward")
    half = real.shape[0] // 2

    def work() -> None:
        for _ in range(updates[0]):
            with span("refiner update"):
                ours.refiner_update(synthetic)
        for _ in range(updates[1]):
            with span("discriminator update"):
                ours.discriminator_update(synthetic[:half], real)
        with span("refine"):
            ours.refine(synthetic)

    return work


@contextmanager
def span(name: str) -> Iterator[None]:
    """A named range in torch's trace, and in NVTX where there is a GPU."""
    with ExitStack() as ranges:
        ranges.enter_context(record_function(name))
        if torch.cuda.is_available():
            ranges.enter_context(torch.cuda.nvtx.range(name))
        yield


def _range_forward(network: nn.Module, name: str) -> None:
    """Put a range around every forward of a network."""
    open_ranges: list[ExitStack] = []

    def begin(*_: object) -> None:
        stack = ExitStack()
        stack.enter_context(span(name))
        open_ranges.append(stack)

    def end(*_: object) -> None:
        open_ranges.pop().close()

    network.register_forward_pre_hook(begin)
    network.register_forward_hook(end)
