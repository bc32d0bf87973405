"""What happens inside a call, and the trace of it."""

import json
from pathlib import Path

import pytest
import torch
from tiny_bench import tiny_plan

from simgan.engine.benchmark.activity import Span, activity, tally
from simgan.engine.benchmark.trace import RANGES, STEPS, write_trace


def test_tally_counts_and_measures_the_union_of_what_the_device_did() -> None:
    spans = [
        Span("aten::conv2d", False, 0, 50),
        Span("aten::convolution", False, 1, 49, nested=True),
        Span("cudaLaunchKernel", False, 2, 3),
        Span("cudaGraphLaunch", False, 4, 5),
        Span("simgan::residual_block", False, 60, 70),
        Span("implicit_gemm", True, 10, 20),
        Span("relu", True, 15, 30),  # on another stream: 5 us of it overlap
        Span("Memcpy DtoH", True, 40, 50),
    ]
    assert tally(spans, on_gpu=True) == {
        "torch_ops": 2,
        "kernels": 2,
        "launches": 2,
        "copies": 1,
        "busy_share": pytest.approx(30 / 40),
    }


def test_a_cpu_has_ops_and_nothing_else() -> None:
    x = torch.ones(3)
    found = activity(lambda: (x + 1).relu(), torch.device("cpu"))
    assert found == {
        "torch_ops": 2,
        "kernels": None,
        "launches": None,
        "copies": None,
        "busy_share": None,
    }


def test_trace_is_chrome_json_with_the_named_ranges(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.json"
    write_trace(tiny_plan(), path)
    events = json.loads(path.read_text())["traceEvents"]
    counts = {
        name: sum(e.get("name") == name and e.get("cat") == "user_annotation" for e in events)
        for name in RANGES
    }
    assert counts == {
        "refine": STEPS,
        "refiner update": 2 * STEPS,
        "discriminator update": STEPS,
        "R forward": 4 * STEPS,
        "D forward": 3 * STEPS,
        "history": STEPS,
    }
    assert capfd.readouterr().err == ""
