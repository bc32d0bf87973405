"""The case `scaling`: refining over batch, image size and threads, ours beside plain PyTorch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from simgan.engine.benchmark import traffic
from simgan.engine.benchmark.contest import Say, add_ratios
from simgan.engine.benchmark.contestants import Contestant, Scene, with_format
from simgan.engine.benchmark.gate import judge
from simgan.engine.benchmark.names import EAGER_LAST, OURS
from simgan.engine.benchmark.plan import CHANNELS, Scaling
from simgan.engine.benchmark.results import Row, timed_row
from simgan.engine.benchmark.roofline import Work
from simgan.engine.benchmark.rounds import measure
from simgan.engine.refining.pipeline import cores

GATE_IMAGES = 2  # images are refined one by one, so two prove a point


def scaling_case(scene: Scene, say: Say) -> list[Row]:
    """R(x) at every point of the plan, two variants each: eager channels_last and ours."""
    scaling = scene.plan.scaling
    if scaling is None:
        return []
    contestants: dict[str, Contestant] = {
        EAGER_LAST: scene.plain(channels_last=True),
        OURS: scene.ours(),
    }
    truth = scene.plain(dtype=torch.float64)
    for contestant in (*contestants.values(), truth):
        scene.load(contestant)
    rows = []
    for axis, point, images, size, threads in _points(scaling, scene):
        say(f"scaling: {axis} {point}")
        with _threads(threads):
            rows += _measure(scene, contestants, truth, axis, point, _images(scene, images, size))
    return rows


def _points(
    scaling: Scaling, scene: Scene
) -> Iterator[tuple[str, str, int, tuple[int, int], int | None]]:
    """(axis, point, images, (H, W), threads) for every measurement."""
    first = scaling.sizes[0]
    for batch in scaling.batches:
        yield "batch", str(batch), batch, first, None
    pixels = scaling.images * first[0] * first[1]
    for size in scaling.sizes:
        yield "image", f"{size[0]}x{size[1]}", max(1, pixels // (size[0] * size[1])), size, None
    if scene.device.type == "cpu":
        for threads in _thread_counts(scene.plan.threads or len(cores())):
            yield "threads", str(threads), scaling.images, first, threads


def _thread_counts(most: int) -> list[int]:
    """1, 2, 4, ... and the most."""
    powers = [1 << k for k in range(most.bit_length())]
    return sorted({*powers, most})


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _images(scene: Scene, images: int, size: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    x = torch.rand((images, CHANNELS, *size), generator=generator) * 2 - 1
    return with_format(x.to(scene.device), True)


def _measure(
    scene: Scene,
    contestants: dict[str, Contestant],
    truth: Contestant,
    axis: str,
    point: str,
    x: Tensor,
) -> list[Row]:
    def of(contestant: Contestant) -> Callable[[], Tensor]:
        return lambda: contestant.refine(x)

    results = {
        name: {"refined": contestant.refine(x)[:GATE_IMAGES].clone()}
        for name, contestant in contestants.items()
    }
    expected = {"refined": truth.refine(x[:GATE_IMAGES].double())}
    verdicts = judge(results, expected, (EAGER_LAST,))
    green = {name: of(contestants[name]) for name in contestants if verdicts[name].green}
    timings = measure(green, scene.plan.rounds, scene.device)
    image = (CHANNELS, x.shape[2], x.shape[3])
    passes = traffic.refining(scene.plan.config, image, x.shape[0], scene.dtype.itemsize)
    work = Work(x.shape[0], tuple(passes))
    rows = [
        timed_row(
            _labels(scene, name, axis, point, x),
            verdicts[name],
            timings.get(name),
            work,
            scene.ceilings if axis != "threads" else None,  # measured with all threads
        )
        for name in contestants
    ]
    add_ratios(rows, timings, OURS)
    return rows


def _labels(scene: Scene, name: str, axis: str, point: str, x: Tensor) -> dict[str, Any]:
    return {
        "case": "scaling",
        "axis": axis,
        "point": point,
        "variant": name,
        "shape": list(x.shape),
        "dtype": str(scene.dtype).removeprefix("torch."),
        "memory_format": "channels_last",
    }
