"""One case between its contestants: check all, time those that passed, in turns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from simgan.engine.benchmark.activity import activity
from simgan.engine.benchmark.contestants import Contestant, Scene, compile_problem
from simgan.engine.benchmark.cudnn_refiner import CudnnRefiner
from simgan.engine.benchmark.gate import judge
from simgan.engine.benchmark.names import COMPILED, CUDNN, EAGER, EAGER_LAST, OURS, TORCH
from simgan.engine.benchmark.results import Row, skipped_row, timed_row
from simgan.engine.benchmark.roofline import Work
from simgan.engine.benchmark.rounds import Timing, measure, ratio
from simgan.engine.capture import WARM_UP

Say = Callable[[str], None]
GRAPH_CALLS = WARM_UP + 2  # a CUDA graph is captured, then replayed: that is checked and timed


@dataclass(frozen=True)
class Case:
    """One case, ready to be checked and timed.

    Attributes:
        name: "refine" or "step".
        shape: of the input.
        work: of one call.
        rounds: of timing.
        long: whether a call takes long on a CPU, so that the check is warm-up enough there.
        check: the tensors of a contestant that the gate compares; True for channels_last.
        call: what is timed.
    """

    name: str
    shape: tuple[int, ...]
    work: Work
    rounds: int
    check: Callable[[Contestant, bool], dict[str, Tensor]]
    call: Callable[[Contestant, bool], Callable[[], object]]
    long: bool = False


def contest(case: Case, scene: Scene, say: Say) -> list[Row]:
    """Check every contestant, then time those that passed; one row each."""
    say(f"{case.name}: checking")
    contestants, absent = _contestants(case.name, scene)
    truth = scene.plain(dtype=torch.float64)
    scene.load(truth)
    expected = case.check(truth, False)
    results, broken = _results(case, scene, contestants, say)
    absent |= broken
    verdicts = judge(results, expected, (EAGER, EAGER_LAST))
    del truth
    green = {
        name: case.call(contestants[name], _last(name)) for name in results if verdicts[name].green
    }
    if scene.device.type == "cuda":
        for work in green.values():
            for _ in range(GRAPH_CALLS):
                work()
    timings = measure(
        green,
        case.rounds,
        scene.device,
        lambda text: say(f"{case.name}: {text}"),
        warm=case.long and scene.device.type == "cpu",
    )
    rows = []
    for name in (name for name in (*TORCH, OURS) if name in contestants or name in absent):
        labels = _labels(case, scene, name)
        if name in absent:
            rows.append(skipped_row(labels, absent[name]))
            continue
        row = timed_row(labels, verdicts[name], timings.get(name), case.work, scene.ceilings)
        looked_at = name in green and not scene.plan.quick
        row["activity"] = activity(green[name], scene.device) if looked_at else None
        rows.append(row)
    add_ratios(rows, timings, OURS)
    return rows


def add_ratios(rows: list[Row], timings: Mapping[str, Timing], ours: str) -> None:
    """Per row, its time divided by ours, as the median over the rounds; above 1 ours is faster."""
    for row in rows:
        name = row["variant"]
        both = name in timings and ours in timings
        row["time_over_ours"] = ratio(timings[name].wall, timings[ours].wall) if both else None
        row["cpu_time_over_ours"] = ratio(timings[name].cpu, timings[ours].cpu) if both else None


def _contestants(case: str, scene: Scene) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those who take part with the shared weights, and why others do not."""
    present: dict[str, Contestant] = {EAGER: scene.plain()}
    present[EAGER_LAST] = scene.plain(channels_last=True)
    absent: dict[str, str] = {}
    problem = compile_problem(scene.plan, case)
    if problem is None:
        compiled = present[COMPILED] = scene.plain(channels_last=True)
        compiled.compile_for_refining() if case == "refine" else compiled.compile()
    else:
        absent[COMPILED] = problem
    if case == "refine" and scene.device.type == "cuda":
        fused = present[CUDNN] = scene.plain(channels_last=True)
        scene.load(fused)
        fused.forward_r = CudnnRefiner(fused.refiner, scene.dtype)
    present[OURS] = scene.ours()
    for contestant in present.values():
        scene.load(contestant)
    return present, absent


def _results(
    case: Case, scene: Scene, contestants: Mapping[str, Contestant], say: Say
) -> tuple[dict[str, dict[str, Tensor]], dict[str, str]]:
    """What the gate judges, and the baselines that this torch cannot run here."""
    results: dict[str, dict[str, Tensor]] = {}
    broken: dict[str, str] = {}
    for name, contestant in contestants.items():
        say(f"{case.name}: checking {name}")
        try:
            for _ in range(GRAPH_CALLS if scene.device.type == "cuda" else 1):
                results[name] = case.check(contestant, _last(name))
        except RuntimeError as error:
            if name not in (COMPILED, CUDNN):
                raise
            broken[name] = f"it fails here: {str(error).strip().splitlines()[0]}"
    return results, broken


def _last(name: str) -> bool:
    """Whether a contestant runs in channels_last."""
    return name != EAGER


def _labels(case: Case, scene: Scene, name: str) -> dict[str, Any]:
    return {
        "case": case.name,
        "variant": name,
        "shape": list(case.shape),
        "dtype": str(scene.dtype).removeprefix("torch."),
        "memory_format": "channels_last" if _last(name) else "contiguous",
    }
