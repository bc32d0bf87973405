"""`bench --compare`: shared rows beside each other, and everything else that differs."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simgan.cli import bench
from simgan.cli.bench_compare import show_comparison
from simgan.engine.benchmark.comparison import compare, load_report


def report(threads: int = 2, **medians: float) -> dict[str, Any]:
    """A report as `bench --json` writes it, with one row per variant."""
    rows = [
        {
            "case": "refine",
            "variant": name,
            "shape": [32, 1, 35, 55],
            "seconds": {"median": median},
        }
        for name, median in medians.items()
    ]
    rows.append({"case": "refine", "variant": "skipped", "shape": [32], "seconds": None})
    header = {"commit": "abc", "date": "2026-01-01", "threads": threads, "gpu": None}
    return {"header": header, "cases": rows, "summary": {}}


def test_ratio_is_then_by_now_for_rows_that_both_timed() -> None:
    found = compare(report(ours=0.3, gone=1.0), report(ours=0.1, fresh=2.0))
    (row,) = found["rows"]
    assert row["name"] == "refine ours 32x1x35x55"
    assert row["speedup"] == pytest.approx(3.0)
    assert found["only_old"] == ["refine gone 32x1x35x55"]
    assert found["only_new"] == ["refine fresh 32x1x35x55"]
    assert found["differences"] == []


def test_another_shape_is_another_row() -> None:
    old, new = report(ours=0.3), report(ours=0.1)
    new["cases"][0]["shape"] = [8, 1, 35, 55]
    assert compare(old, new)["rows"] == []


def test_every_condition_that_differs_is_named() -> None:
    old, new = report(threads=1, ours=0.3), report(threads=2, ours=0.3)
    old["header"] |= {"torch": "2.11.0", "precision": "cpu, float32", "batch": 8}
    new["header"] |= {"torch": "2.13.0", "precision": "cuda, bfloat16", "batch": 32}
    new["header"]["gpu"] = {"name": "H200", "driver": "580"}
    assert compare(old, new)["differences"] == [
        "threads: 1, now 2",
        "torch: 2.11.0, now 2.13.0",
        "precision: cpu, float32, now cuda, bfloat16",
        "batch: 8, now 32",
        "GPU: None, now H200, driver 580",
    ]


def test_table_shows_then_now_and_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(compare(report(threads=1, ours=0.3), report(ours=0.1, fresh=2.0)))
    out = capsys.readouterr().out
    for text in ("differs: threads: 1, now 2", "300.0 ms", "100.0 ms", "3.00", "only now"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not json", "is not JSON"),
        ("[]", "it holds no object"),
        ('{"header": {}, "cases": []}', "it has no 'summary'"),
        ('{"header": {}, "summary": {}, "cases": [1]}', "a row without 'case'"),
    ],
)
def test_a_file_that_is_no_report_is_a_usage_error(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not"):
        load_report(path)
    result = CliRunner().invoke(bench.command, ["--compare", str(path)])
    assert result.exit_code == 2
    assert why in " ".join(result.output.split())


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench.command, ["--compare", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "cannot be read" in " ".join(result.output.split())


def test_recorded_results_can_be_compared(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[2] / "benchmarks" / "results"
    for path in recorded.glob("*.json"):
        found = compare(load_report(path), json.loads(path.read_text()))
        assert found["rows"]
        assert all(row["speedup"] == 1.0 for row in found["rows"])
