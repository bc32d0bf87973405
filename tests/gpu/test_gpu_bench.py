"""What the benchmark measures on a GPU only."""

import json
from pathlib import Path

import pytest
import torch

from simgan.engine.benchmark.benchmark import run_benchmark
from simgan.engine.benchmark.contestants import build_scene
from simgan.engine.benchmark.cudnn_refiner import CudnnRefiner
from simgan.engine.benchmark.machine import SMI_FIELDS, header
from simgan.engine.benchmark.plan import make_plan
from simgan.engine.benchmark.trace import RANGES, write_trace

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_report_has_memory_kernels_launches_and_the_busy_share() -> None:
    plan = make_plan(
        "cuda", device="cuda", cases=("refine", "step"), batch=16, rounds=2, compile=False
    )
    report = run_benchmark(plan)
    assert report["summary"]["gates"] == "green"
    names = [row["variant"] for row in report["cases"] if row["case"] == "refine"]
    assert "torch cudnn_convolution_add_relu" in names
    for row in (row for row in report["cases"] if not row["skipped"]):
        found = row["activity"]
        assert row["peak_memory_bytes"] > 0
        assert found["kernels"] >= 1
        assert found["launches"] >= 1
        assert 0 < found["busy_share"] <= 1
        assert row["of_ceiling"] > 0


def test_cudnn_refines_as_plain_torch_does() -> None:
    scene = build_scene(make_plan("cuda", device="cuda", batch=8))
    plain, truth = scene.plain(channels_last=True), scene.plain(dtype=torch.float64)
    for contestant in (plain, truth):
        scene.load(contestant)
    expected = truth.refine(scene.synthetic.double())
    off = (plain.refine(scene.synthetic).double() - expected).norm()
    fused = CudnnRefiner(plain.refiner, scene.dtype)
    with torch.no_grad():
        fused_off = (fused(scene.synthetic).double() - expected).norm()
    assert fused_off <= 2 * off


def test_header_tells_clocks_power_and_driver() -> None:
    plan = make_plan("cuda", device="cuda", batch=8)
    gpu = header(plan, build_scene(plan).precision)["gpu"]
    assert set(SMI_FIELDS) <= set(gpu)


def test_trace_holds_the_ranges_and_kernels(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(make_plan("cuda", device="cuda", batch=16), path)
    events = json.loads(path.read_text())["traceEvents"]
    assert set(RANGES) <= {event.get("name") for event in events}
    assert any(event.get("cat") == "kernel" for event in events)
