"""`simgan-engine bench`: one JSON object on stdout, a table of 100 columns, exit code 9 on red."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_bench import tiny_plan

from simgan.cli import bench
from simgan.cli.bench_sections import show_data, show_disk
from simgan.cli.bench_table import make_console
from simgan.engine.benchmark import benchmark
from simgan.engine.errors import CheckFailedError

SUMMARY = {
    "device",
    "gates",
    "refine_vs_best_torch",
    "refine_best_torch",
    "step_vs_best_torch",
    "step_best_torch",
    "refine_images_per_s",
    "step_seconds",
    "loop_efficiency",
    "disk_to_disk_efficiency",
    "disk_to_disk_of_slowest_part",
    "left_out",
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The command as it is, on the smallest networks; what it asked for is kept."""
    asked: list[Any] = []

    def make(device_type: str, **settings: Any) -> Any:
        asked.append(settings)
        return tiny_plan(*(settings["cases"] or ()))

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
    # Above and below the tables stand sentences, which a terminal wraps.
    tables, inside = [], False
    for line in result.stdout.splitlines():
        inside = bool(line.strip()) and (inside or " median " in line or line.startswith("\u2500"))
        tables += [line] if inside else []
    assert len(tables) > 20
    assert max(map(len, tables)) <= 100
    assert "\u2026" not in result.stdout  # nothing is cut off
    for text in (
        "hardware",
        "commit",
        "eager, channels_last",
        "torch.compile left out: ",
        "simgan-engine",
        "Winograd",
        "scaling: refine",
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
    (ours,) = [line for line in result.stdout.splitlines() if line.startswith("simgan-engine ")]
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


def test_trace_and_picture_are_written_and_reports_compared(
    tiny: list[Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, the extra 'plots', is not installed")
    common = ["--only", "refine", "--device", "cpu"]
    first = CliRunner().invoke(bench.command, [*common, "--json"])
    (tmp_path / "old.json").write_text(first.stdout)
    paths = {name: tmp_path / name for name in ("trace.json", "roofline.png")}
    words = ["--profile", str(paths["trace.json"]), "--plot", str(paths["roofline.png"])]
    words += ["--compare", str(tmp_path / "old.json")]
    result = CliRunner().invoke(bench.command, [*common, *words])
    assert result.exit_code == 0, result.output
    assert json.loads(paths["trace.json"].read_text())["traceEvents"]
    assert paths["roofline.png"].read_bytes().startswith(b"\x89PNG")
    assert "then/now" in result.stdout
    assert "refine simgan-engine 4x1x35x55" in result.stdout


@pytest.mark.parametrize("option", ["--profile", "--plot"])
def test_a_folder_that_is_not_there_is_found_before_measuring(
    tiny: list[Any], option: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(bench.command, [option, str(tmp_path / "none" / "file")])
    assert result.exit_code == 2
    assert "does not exist" in " ".join(result.output.split())
    assert tiny == []


def test_plot_without_matplotlib_says_what_to_install(
    tiny: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(bench.command, ["--plot", str(tmp_path / "file.png")])
    assert result.exit_code == 2
    assert "simgan-engine[plots]" in " ".join(result.output.split())
    assert tiny == []


def test_scaling_is_a_case_of_its_own(tiny: list[Any]) -> None:
    result = CliRunner().invoke(bench.command, ["--scaling", "--device", "cpu", "--json"])
    assert result.exit_code == 0, result.output
    assert {row["case"] for row in json.loads(result.stdout)["cases"]} == {"scaling"}
    both = CliRunner().invoke(bench.command, ["--scaling", "--only", "refine"])
    assert both.exit_code == 2


def test_data_and_disk_rows_become_tables(capsys: pytest.CaptureFixture[str]) -> None:
    common = {"skipped": None, "seconds": {"median": 0.02, "p10": 0.019, "p90": 0.024}}
    parts = {"decode": 9000.0, "refine": 250.0, "encode": 8000.0}
    shares = {"efficiency": 0.914, "of_slowest_part": 0.91}
    png = {"variant": "image folder, PNG", "images_per_s": 228.5, **common}
    rows = [
        {"case": "data", **png},
        {"case": "disk", **png, "parts": parts, **shares},
        {"case": "disk", "variant": "HDF5", "skipped": "h5py is missing", "seconds": None},
    ]
    show_data(rows, make_console())
    show_disk(rows, make_console())
    out = capsys.readouterr().out
    data, disk = (x.split()[3:] for x in out.splitlines() if x.startswith("image folder, PNG"))
    assert data == ["228.5", "19.0..24.0", "ms"]
    assert disk == ["228.5", "9,000", "250.0", "8,000", "91", "%", "91", "%"]
    assert "HDF5 left out: h5py is missing" in out
