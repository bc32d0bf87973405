"""A whole benchmark of the smallest networks, and what a wrong kernel does to it."""

import dataclasses
import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_bench import tiny_plan

from simgan.engine.benchmark.benchmark import run_benchmark
from simgan.engine.benchmark.summary import own_red, summary
from simgan.kernels.dispatch import BACKENDS
from simgan.kernels.residual_block import reference as block
from simgan.kernels.self_regularization import reference as difference

OPS = (
    "residual_block",
    "patch_cross_entropy",
    "self_regularization",
    "refiner_loss",
    "history_exchange",
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    said: list[str] = []
    found = run_benchmark(tiny_plan(), said.append)
    assert said
    return found


def rows(report: dict[str, Any], case: str) -> list[dict[str, Any]]:
    return [row for row in report["cases"] if row["case"] == case]


def test_report_is_plain_json(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report) == ["header", "cases", "summary"]


def test_header_says_on_what_and_of_what(report: dict[str, Any]) -> None:
    header = report["header"]
    for name in ("date", "command", "cpu", "torch", "triton", "python", "threads", "precision"):
        assert name in header
    assert set(header["backends"]) == set(BACKENDS)
    assert header["quick"] is True


def test_summary_has_the_numbers_that_are_followed(report: dict[str, Any]) -> None:
    summary = report["summary"]
    assert summary["gates"] == "green"
    assert summary["device"] == "cpu"
    for name in (
        "refine_vs_best_torch",
        "step_vs_best_torch",
        "refine_images_per_s",
        "step_seconds",
        "loop_efficiency",
    ):
        assert summary[name] > 0
    disk = [row["efficiency"] for row in rows(report, "disk") if row["seconds"]]
    assert summary["disk_to_disk_efficiency"] == min(disk)
    assert set(summary["left_out"]) == {"refine torch.compile", "step torch.compile"}


def test_summary_names_the_best_baseline_and_takes_the_worst_format() -> None:
    def row(case: str, variant: str, over: float | None, **more: Any) -> dict[str, Any]:
        timed = {"gate": "green", "skipped": None, "seconds": {"median": 2.0}}
        return {"case": case, "variant": variant, "time_over_ours": over, **timed, **more}

    found = summary(
        "cpu",
        [
            row("refine", "torch eager", 3.0),
            row("refine", "torch.compile", 2.5),
            row("refine", "simgan-engine", 1.0, images_per_s=7.0),
            row("step", "torch eager", None, gate="red"),
            row("step", "torch.compile", None, gate=None, skipped="no compiler"),
            row("disk", "npz", None, efficiency=0.9, of_slowest_part=0.7),
            row("disk", "image folder JPEG", None, efficiency=0.86, of_slowest_part=0.8),
        ],
    )
    assert found == {
        "device": "cpu",
        "gates": ["step torch eager"],
        "refine_vs_best_torch": 2.5,
        "refine_best_torch": "torch.compile",
        "step_vs_best_torch": None,
        "step_best_torch": None,
        "refine_images_per_s": 7.0,
        "step_seconds": None,
        "loop_efficiency": None,
        "disk_to_disk_efficiency": 0.86,
        "disk_to_disk_of_slowest_part": 0.7,
        "left_out": {"step torch.compile": "no compiler"},
    }


def test_rows_hold_shares_of_what_the_machine_reached(report: dict[str, Any]) -> None:
    ceilings = report["header"]["ceilings"]
    for row in rows(report, "refine") + rows(report, "step"):
        if row["skipped"]:
            continue
        compute = row["gflop_per_s"] * 1e9 / ceilings["flop_per_s"]
        memory = row["gb_per_s"] * 1e9 / ceilings["bytes_per_s"]
        assert row["of_ceiling"] == pytest.approx(max(compute, memory))
        assert row["of_floor"] == pytest.approx(row["floor_seconds"] / row["seconds"]["median"])
        assert row["of_floor"] >= row["of_ceiling"] * 0.999  # layer by layer is never less


def test_networks_are_timed_beside_plain_torch(report: dict[str, Any]) -> None:
    for case in ("refine", "step"):
        found = {row["variant"]: row for row in rows(report, case)}
        assert list(found) == [
            "torch eager",
            "torch eager, channels_last",
            "torch.compile",
            "simgan-engine",
        ]
        assert "--quick" in found["torch.compile"]["skipped"]
        ours = found["simgan-engine"]
        assert ours["time_over_ours"] == 1.0
        assert ours["seconds"]["p10"] <= ours["seconds"]["median"] <= ours["seconds"]["p90"]
        per_call = ours["images_per_s"] * ours["seconds"]["median"]
        assert per_call == pytest.approx(4 if case == "refine" else 12)


def test_every_op_is_timed_on_every_backend(report: dict[str, Any]) -> None:
    for op in OPS:
        modes = {row["mode"] for row in rows(report, op)}
        assert modes == (
            {"forward"} if op == "history_exchange" else {"forward", "forward+backward"}
        )
        forward = {r["variant"]: r for r in rows(report, op) if r["mode"] == "forward"}
        assert {"torch eager", "reference"} <= set(forward)
        assert [row["chosen"] for row in forward.values()].count(True) == 1


def test_scaling_has_every_point_of_every_axis(report: dict[str, Any]) -> None:
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows(report, "scaling"):
        assert row["gate"] == "green"
        assert row["images_per_s"] > 0
        found.setdefault((row["axis"], row["point"]), []).append((row["variant"], row["shape"]))
    plain, ours = "torch eager, channels_last", "simgan-engine"
    shapes = {
        ("batch", "1"): [1, 1, 35, 55],
        ("batch", "3"): [3, 1, 35, 55],
        ("image", "35x55"): [2, 1, 35, 55],
        ("image", "20x16"): [12, 1, 20, 16],  # as many pixels as two eyes have
        ("threads", "1"): [2, 1, 35, 55],
    }
    assert found == {point: [(plain, s), (ours, s)] for point, s in shapes.items()}


def test_loop_times_data_ticks_grids_and_checkpoints(report: dict[str, Any]) -> None:
    (loop,) = rows(report, "loop")
    assert loop["seconds"]["rounds"] == tiny_plan().loop_steps - 1
    assert all(value > 0 for value in loop["chores_seconds"].values())
    assert set(loop["chores_seconds"]) == {"tick", "samples", "checkpoint"}
    assert loop["chores_every"] == {"tick": 50, "samples": 500, "checkpoint": 500}


@pytest.mark.parametrize("case", ["data", "disk"])
def test_every_format_is_read_from_disk(report: dict[str, Any], case: str) -> None:
    found = {row["variant"]: row for row in rows(report, case)}
    assert list(found)[:4] == ["image folder, PNG", "image folder, JPEG", "npz", "HDF5"]
    for row in found.values():
        assert row["gate"] is row["skipped"] is None
        assert row["images_per_s"] == pytest.approx(row["images"] / row["seconds"]["median"])


def test_disk_to_disk_is_compared_with_its_parts_of_the_same_round(report: dict[str, Any]) -> None:
    for row in rows(report, "disk"):
        assert set(row["parts"]) == {"decode", "refine", "encode"}
        assert row["slowest_part"] == min(row["parts"], key=row["parts"].__getitem__)
        assert 0 < row["of_slowest_part"] <= row["efficiency"]


def test_a_format_without_its_package_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "h5py" else there(name)
    )
    report = run_benchmark(tiny_plan("data", "disk"))
    missing = [row for row in report["cases"] if row["variant"] == "HDF5"]
    assert [row["case"] for row in missing] == ["data", "disk"]
    for row in missing:
        assert row["seconds"] is None
        assert row["skipped"] == "h5py is not installed: pip install 'simgan-engine[hdf5]'"


def test_a_wrong_block_turns_the_networks_red_and_gets_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = block.forward

    def wrong(*inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        output, hidden = right(*inputs)
        return output * 1.0001, hidden

    monkeypatch.setattr(block, "forward", wrong)
    report = run_benchmark(tiny_plan("refine", "step", backend="reference"))
    summary = report["summary"]
    assert summary["gates"] == ["refine simgan-engine", "step simgan-engine"]
    assert summary["step_seconds"] is summary["refine_vs_best_torch"] is None
    for row in report["cases"]:
        if row["variant"] == "simgan-engine":
            assert row["gate"] == "red"
            assert row["error"] > row["allowed_error"]
            assert row["seconds"] is row["images_per_s"] is row["gflop_per_s"] is None
        elif not row["skipped"]:
            assert row["seconds"] is not None


def test_a_wrong_gradient_is_seen_though_the_loss_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = difference.backward

    def wrong(*inputs: Any) -> Any:
        found = right(*inputs)
        return type(found)(g * 0.999 for g in found) if isinstance(found, tuple) else found * 0.999

    monkeypatch.setattr(difference, "backward", wrong)
    report = run_benchmark(tiny_plan("ops", backend="reference"))
    assert report["summary"]["gates"] == ["self_regularization forward+backward reference"]
    assert own_red(report["summary"]) == report["summary"]["gates"]


def compiling(monkeypatch: pytest.MonkeyPatch, compiled: Any) -> dict[str, Any]:
    """The report on refining where torch.compile makes `compiled(network)` of a network."""
    monkeypatch.setattr(torch, "compile", lambda network, **how: compiled(network))
    plan = dataclasses.replace(tiny_plan("refine"), compile=("refine",))
    return run_benchmark(plan)


def test_a_miscompiled_baseline_is_red_and_not_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = compiling(monkeypatch, lambda network: lambda x: network(x) * 1.001)["summary"]
    assert summary["gates"] == ["refine torch.compile"]
    assert own_red(summary) == [], "it says nothing against the engine"
    assert summary["refine_best_torch"].startswith("torch eager")


def test_a_baseline_that_fails_is_left_out_and_the_others_are_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compiled(network: Any) -> Any:
        def fail(x: Any) -> Any:
            raise RuntimeError("no template fits\nmore")

        return fail

    summary = compiling(monkeypatch, compiled)["summary"]
    assert summary["gates"] == "green"
    assert summary["left_out"] == {"refine torch.compile": "it fails here: no template fits"}
    assert summary["refine_vs_best_torch"] > 0


def test_refining_compiles_with_freezing_and_max_autotune_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    def compile_(network: Any, **how: Any) -> Any:
        asked.append(how)
        return network

    monkeypatch.setattr(torch, "compile", compile_)
    run_benchmark(dataclasses.replace(tiny_plan("refine"), compile=("refine",)))
    assert asked == [{"dynamic": False, "options": {"max_autotune": True, "freezing": True}}]
