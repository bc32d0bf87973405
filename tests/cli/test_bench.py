"""`simgan-engine bench`: one JSON object on stdout, a table of 100 columns, exit code 9 on red."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_bench import tiny_plan

from simgan.cli import bench
from simgan.engine.benchmark import benchmark
from simgan.engine.errors import CheckFailedError

SUMMARY = {
    "device",
    "gates",
    "refine_vs_best_torch",
    "step_vs_best_torch",
    "refine_images_per_s",
    "step_seconds",
    "loop_efficiency",
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The command as it is, on the smallest networks; what it asked for is kept."""
    asked: list[Any] = []

    def make(device_type: str, **settings: Any) -> Any:
        asked.append(settings)
        return tiny_plan(*settings["cases"])

    monkeypatch.setattr(bench, "make_plan", make)
    return asked


def test_json_is_one_object_on_stdout(tiny: list[Any]) -> None:
    result = CliRunner().invoke(bench.command, ["--only", "refine", "--json", "--quick"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report["summary"]) == SUMMARY
    assert {row["case"] for row in report["cases"]} == {"refine"}
    assert tiny == [
        {
            "device": "auto",
            "cases": ("refine",),
            "batch": None,
            "rounds": None,
            "compile": None,
            "quick": True,
            "threads": None,
        }
    ]


def test_table_fits_100_columns_and_names_hardware_and_baselines(tiny: list[Any]) -> None:
    result = CliRunner().invoke(bench.command, ["--device", "cpu"])
    assert result.exit_code == 0, result.output
    tables = [line for line in result.stdout.splitlines() if line.startswith("  ")]
    assert max(map(len, tables)) <= 100
    for text in (
        "hardware",
        "commit",
        "torch eager, channels_last",
        "simgan-engine",
        "gates: green",
    ):
        assert text in result.stdout
    assert "of the bare step's throughput" in result.stdout


def test_a_red_gate_prints_no_time_and_fails(
    tiny: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simgan.kernels.residual_block import reference

    right = reference.forward
    monkeypatch.setattr(
        reference, "forward", lambda *inputs: tuple(x * 1.01 for x in right(*inputs))
    )
    monkeypatch.setenv("SIMGAN_BACKEND", "residual_block=reference")
    result = CliRunner().invoke(bench.command, ["--only", "refine", "--device", "cpu"])
    assert isinstance(result.exception, CheckFailedError)
    assert result.exception.exit_code == 9
    (ours,) = [line for line in result.stdout.splitlines() if line.startswith("  simgan-engine ")]
    assert "not timed" in ours
    assert "RED" in ours
    assert " ms" not in ours
    assert " us" not in ours


def test_unknown_cases_and_devices_are_usage_errors() -> None:
    for words in (["--only", "refine,nothing"], ["--device", "tpu"]):
        result = CliRunner().invoke(bench.command, words)
        assert result.exit_code == 2, result.output


def test_help_names_the_cases() -> None:
    result = CliRunner().invoke(bench.command, ["--help"])
    assert result.exit_code == 0
    assert all(case in result.stdout for case in benchmark.RUNNERS)
