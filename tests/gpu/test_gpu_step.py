"""A step on a GPU never makes the host wait for the device."""

import dataclasses

import pytest
import torch

from simgan.engine.benchmark.contestants import build_scene
from simgan.engine.benchmark.networks import full_step
from simgan.engine.benchmark.plan import make_plan
from simgan.engine.capture import WARM_UP

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("graphs", [False, True], ids=["launched", "captured"])
@pytest.mark.parametrize("amp", [False, True], ids=["float32", "amp"])
def test_a_full_step_does_not_wait_for_the_device(amp: bool, graphs: bool) -> None:
    plan = make_plan("cuda", device="cuda", batch=8, quick=True)
    plan = dataclasses.replace(
        plan, config=dataclasses.replace(plan.config, amp=amp, graphs=graphs)
    )
    scene = build_scene(plan)
    ours = scene.ours()
    scene.load(ours)
    for _ in range(WARM_UP + 1):  # the last one captures
        full_step(ours, scene, scene.synthetic, scene.real)
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        full_step(ours, scene, scene.synthetic, scene.real)
        waited = None
    except RuntimeError as error:
        waited = str(error)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert waited is None


def test_the_step_is_correct_and_timed_on_cuda() -> None:
    from simgan.engine.benchmark.benchmark import run_benchmark

    plan = make_plan(
        "cuda",
        device="cuda",
        cases=("refine", "step", "ops"),
        batch=16,
        rounds=2,
        quick=True,
        compile=False,
    )
    report = run_benchmark(plan)
    assert report["summary"]["gates"] == "green"
    assert report["summary"]["step_seconds"] > 0
