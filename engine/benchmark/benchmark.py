"""Runs the cases of a plan and sums them up."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import torch

from simgan.engine.benchmark.contest import Say
from simgan.engine.benchmark.contestants import Scene, build_scene
from simgan.engine.benchmark.data import data_case
from simgan.engine.benchmark.disk import disk_case
from simgan.engine.benchmark.loop import loop_case
from simgan.engine.benchmark.machine import clocks, header
from simgan.engine.benchmark.networks import refine_case, step_case
from simgan.engine.benchmark.ops_case import ops_case
from simgan.engine.benchmark.plan import Plan
from simgan.engine.benchmark.results import Row
from simgan.engine.benchmark.roofline import measure_ceilings
from simgan.engine.benchmark.scaling import scaling_case
from simgan.engine.benchmark.summary import summary
from simgan.engine.precision import on_device, pick_device

RUNNERS: dict[str, Callable[[Scene, Say], list[Row]]] = {
    "refine": refine_case,
    "step": step_case,
    "ops": ops_case,
    "loop": loop_case,
    "data": data_case,
    "disk": disk_case,
    "scaling": scaling_case,
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
    begun = time.perf_counter()
    threads = torch.get_num_threads()
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    try:
        with on_device(pick_device(plan.config.device)):
            scene = build_scene(plan)
            head = header(plan, scene.precision)  # before the work: its load is that of others
            say("ceilings: a large matrix product, a large copy")
            ceilings = measure_ceilings(scene.device, scene.dtype)
            head["ceilings"] = dataclasses.asdict(ceilings)
            scene = dataclasses.replace(scene, ceilings=ceilings)
            cases = [row for name in plan.cases for row in RUNNERS[name](scene, say)]
            head |= clocks(scene.device)
        head["seconds"] = time.perf_counter() - begun
        return {
            "header": head,
            "cases": cases,
            "summary": summary(str(scene.device), cases),
        }
    finally:
        torch.set_num_threads(threads)
