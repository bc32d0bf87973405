"""The two cases on whole networks: refining, and a full step of Algorithm 1."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from simgan.engine.benchmark import flops
from simgan.engine.benchmark.contestants import (
    COMPILED,
    EAGER,
    EAGER_LAST,
    OURS,
    Contestant,
    Scene,
    compile_problem,
    with_format,
)
from simgan.engine.benchmark.gate import Verdict, gradients, judge
from simgan.engine.benchmark.plan import CHANNELS, REFINE_BATCHES
from simgan.engine.benchmark.results import Row, Work, skipped_row, timed_row
from simgan.engine.benchmark.rounds import Timing, measure, ratio

Say = Callable[[str], None]
GATE_IMAGES = 8  # refining treats images one by one, so a few of them prove it
TRUTH = "float64"


@dataclass(frozen=True)
class Case:
    """One case with its contestants, ready to be checked and timed.

    Attributes:
        name: "refine" or "step".
        shape: of the input.
        work: of one call.
        channels_last: which contestants train in that memory format.
        check: the tensors of a contestant that the gate compares.
        call: what is timed.
    """

    name: str
    shape: tuple[int, ...]
    work: Work
    channels_last: dict[str, bool]
    check: Callable[[Contestant, bool], dict[str, Tensor]]
    call: Callable[[Contestant, bool], Callable[[], object]]


def refine_case(scene: Scene, say: Say) -> list[Row]:
    """R(x) of one batch, images and result on the device."""
    plan = scene.plan
    layers = flops.refiner_layers(plan.config, CHANNELS, *plan.size)
    repeats = REFINE_BATCHES[scene.device.type]
    x = scene.synthetic.repeat(repeats, 1, 1, 1)

    def inputs(last: bool, dtype: torch.dtype = torch.float32) -> Tensor:
        return with_format(x.to(dtype), last)

    def check(contestant: Contestant, last: bool) -> dict[str, Tensor]:
        refined = contestant.refine(_as_weights(contestant, inputs(last)))
        return {"refined": refined[:GATE_IMAGES].clone()}

    def call(contestant: Contestant, last: bool) -> Callable[[], object]:
        images = inputs(last)
        return lambda: contestant.refine(images)

    work = Work(x.shape[0], flops=x.shape[0] * flops.forward(layers))
    contestants = _contestants(scene, for_refining=True)
    case = Case("refine", tuple(x.shape), work, _formats(contestants), check, call)
    return _run(case, scene, contestants, say)


def step_case(scene: Scene, say: Say) -> list[Row]:
    """K_g refiner updates and K_d discriminator updates with a full history, data on the device."""
    plan, config = scene.plan, scene.plan.config
    half = config.batch // 2

    def check(contestant: Contestant, last: bool) -> dict[str, Tensor]:
        synthetic = _as_weights(contestant, with_format(scene.synthetic, last))
        real = _as_weights(contestant, with_format(scene.real, last))
        scene.load(contestant)
        # With one image in every slot, whatever slots are drawn, the gradient is the same.
        contestant.fill_history(scene.history[:1].expand_as(scene.history).contiguous())
        contestant.refiner_update(synthetic)
        found = gradients(contestant.refiner.named_parameters(), "refiner")
        scene.load(contestant)
        contestant.fill_history(scene.history[:1].expand_as(scene.history).contiguous())
        contestant.discriminator_update(synthetic[:half], real)
        found |= gradients(contestant.discriminator.named_parameters(), "discriminator")
        scene.load(contestant)
        return found

    def call(contestant: Contestant, last: bool) -> Callable[[], object]:
        synthetic, real = with_format(scene.synthetic, last), with_format(scene.real, last)
        return lambda: full_step(contestant, scene, synthetic, real)

    work = Work(
        config.batch * (config.k_g + config.k_d),
        flops=flops.full_step(config, CHANNELS, *plan.size),
    )
    contestants = _contestants(scene, for_refining=False)
    shape = tuple(scene.synthetic.shape)
    case = Case("step", shape, work, _formats(contestants), check, call)
    return _run(case, scene, contestants, say)


def full_step(contestant: Contestant, scene: Scene, synthetic: Tensor, real: Tensor) -> None:
    """One step of Algorithm 1."""
    config = scene.plan.config
    for _ in range(config.k_g):
        contestant.refiner_update(synthetic)
    for _ in range(config.k_d):
        contestant.discriminator_update(synthetic[: config.batch // 2], real)


def _contestants(scene: Scene, *, for_refining: bool) -> dict[str, Contestant]:
    contestants: dict[str, Contestant] = {
        EAGER: scene.plain(),
        EAGER_LAST: scene.plain(channels_last=True),
    }
    for contestant in contestants.values():
        scene.load(contestant)
    if compile_problem(scene.plan) is None:
        compiled = scene.plain(channels_last=True)
        scene.load(compiled)
        if for_refining:
            compiled.compile_for_refining()
        else:
            compiled.compile()
        contestants[COMPILED] = compiled
    contestants[OURS] = scene.ours()
    scene.load(contestants[OURS])
    return contestants


def _formats(contestants: dict[str, Contestant]) -> dict[str, bool]:
    return {name: name != EAGER for name in contestants}


def _run(case: Case, scene: Scene, contestants: dict[str, Contestant], say: Say) -> list[Row]:
    """Check every contestant, then time those that passed."""
    say(f"{case.name}: checking")
    truth = scene.plain(dtype=torch.float64)
    scene.load(truth)
    expected = case.check(truth, False)
    results = {
        name: case.check(contestant, case.channels_last[name])
        for name, contestant in contestants.items()
    }
    verdicts = judge(results, expected, (EAGER, EAGER_LAST))
    del truth, results
    green = {
        name: case.call(contestant, case.channels_last[name])
        for name, contestant in contestants.items()
        if verdicts[name].green
    }
    timings = measure(
        green, scene.plan.rounds, scene.device, lambda text: say(f"{case.name}: {text}")
    )
    rows = [_row(case, scene, name, verdicts[name], timings.get(name)) for name in contestants]
    add_ratios(rows, timings, OURS)
    problem = compile_problem(scene.plan)
    if problem is not None:
        rows.insert(-1, skipped_row(_labels(case, scene, COMPILED), problem))
    return rows


def add_ratios(rows: list[Row], timings: dict[str, Timing], ours: str) -> None:
    """Per row, its time divided by ours, as the median over the rounds; above 1 ours is faster."""
    for row in rows:
        name = row["variant"]
        both = name in timings and ours in timings
        row["time_over_ours"] = ratio(timings[name].wall, timings[ours].wall) if both else None
        row["cpu_time_over_ours"] = ratio(timings[name].cpu, timings[ours].cpu) if both else None


def _row(case: Case, scene: Scene, name: str, verdict: Verdict, timing: Timing | None) -> Row:
    return timed_row(_labels(case, scene, name), verdict, timing, case.work)


def _labels(case: Case, scene: Scene, name: str) -> dict[str, Any]:
    dtype = scene.precision.amp_dtype or torch.float32
    last = case.channels_last.get(name, True)
    return {
        "case": case.name,
        "variant": name,
        "shape": list(case.shape),
        "dtype": str(dtype).removeprefix("torch."),
        "memory_format": "channels_last" if last else "contiguous",
    }


def _as_weights(contestant: Contestant, x: Tensor) -> Tensor:
    """Images in the dtype of a contestant's weights."""
    return x.to(next(contestant.refiner.parameters()).dtype)
