"""Runs the cases of a plan and sums them up."""

from collections.abc import Callable
from typing import Any

import torch

from simgan.engine.benchmark.contestants import OURS, TORCH, Scene, build_scene
from simgan.engine.benchmark.data import data_case
from simgan.engine.benchmark.disk import disk_case
from simgan.engine.benchmark.loop import loop_case
from simgan.engine.benchmark.machine import header
from simgan.engine.benchmark.networks import Say, refine_case, step_case
from simgan.engine.benchmark.operations import ops_case
from simgan.engine.benchmark.plan import Plan
from simgan.engine.benchmark.results import Row
from simgan.engine.precision import on_device, pick_device

RUNNERS: dict[str, Callable[[Scene, Say], list[Row]]] = {
    "refine": refine_case,
    "step": step_case,
    "ops": ops_case,
    "loop": loop_case,
    "data": data_case,
    "disk": disk_case,
}


def run_benchmark(plan: Plan, say: Say = lambda text: None) -> dict[str, Any]:
    """Check and time everything in the plan.

    Args:
        plan: what, how large, how often.
        say: is told what happens now, one short text at a time.
    Returns:
        {"header": ..., "cases": [row, ...], "summary": ...}, all plain values for JSON. A row has
        no times (`seconds` is None) when its gate is red or it was skipped.
    """
    threads = torch.get_num_threads()
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    try:
        with on_device(pick_device(plan.config.device)):
            scene = build_scene(plan)
            head = header(plan, scene.precision)  # before the work: its load is that of others
            cases = [row for name in plan.cases for row in RUNNERS[name](scene, say)]
        return {
            "header": head,
            "cases": cases,
            "summary": summary(str(scene.device), cases),
        }
    finally:
        torch.set_num_threads(threads)


def summary(device: str, cases: list[Row]) -> dict[str, Any]:
    """The few numbers that are compared from one version to the next; None where not measured.

    `*_vs_best_torch` is the time of the fastest plain PyTorch divided by ours: above 1 ours is
    faster.
    """
    red = [_name(row) for row in cases if row["gate"] == "red"]
    refine, step = _ours("refine", cases), _ours("step", cases)
    loop = next((row for row in cases if row["case"] == "loop"), None)
    return {
        "device": device,
        "gates": red or "green",
        "refine_vs_best_torch": _against_best("refine", cases),
        "step_vs_best_torch": _against_best("step", cases),
        "refine_images_per_s": refine["images_per_s"] if refine else None,
        "step_seconds": step["seconds"]["median"] if step else None,
        "loop_efficiency": loop["efficiency"] if loop else None,
    }


def _ours(case: str, cases: list[Row]) -> Row | None:
    rows = (row for row in cases if row["case"] == case and row["variant"] == OURS)
    return next((row for row in rows if row["seconds"] is not None), None)


def _against_best(case: str, cases: list[Row]) -> float | None:
    ratios = [
        row["time_over_ours"]
        for row in cases
        if row["case"] == case and row["variant"] in TORCH and row.get("time_over_ours")
    ]
    return min(ratios) if ratios else None


def _name(row: Row) -> str:
    return " ".join(filter(None, (row["case"], row.get("mode"), row["variant"])))
