"""The speed tables of the READMEs are what benchmarks/tables.py makes from the recorded results."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def load_tables() -> ModuleType:
    """benchmarks/tables.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load_tables()


@pytest.mark.parametrize(
    ("name", "table"), [("README.md", "newest"), ("benchmarks/README.md", "every")]
)
def test_committed_tables_are_made_from_the_committed_results(name: str, table: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    made = getattr(tables, table)(tables.recorded(tables.RESULTS))
    assert tables.with_table(text, made) == text, "run: python benchmarks/tables.py"


def report(date: str, *, gpu: str | None = None, gates: Any = "green") -> dict[str, Any]:
    """A recorded report with one case."""
    times = {"median": 0.5}
    rows = [
        {"variant": "torch eager", "time_over_ours": 3.0, "images_per_s": 100.0},
        {"variant": "torch.compile", "time_over_ours": 2.5, "images_per_s": 120.0},
        {"variant": "simgan-engine", "time_over_ours": 1.0, "images_per_s": 300.0},
    ]
    shared = {"case": "refine", "gate": "green", "skipped": None, "seconds": times}
    header = {
        "date": f"{date}T10:00:00Z",
        "device": "cuda:0" if gpu else "cpu",
        "gpu": {"name": gpu} if gpu else None,
        "cpu": "A (R) CPU @ 2 GHz",
        "threads": 2,
        "cores": 2,
        "precision": "cuda:0, bfloat16" if gpu else "cpu, float32, channels_last",
        "batch": 32,
        "image": [35, 55],
        "torch": "2.13.0",
        "commit": "abc",
        "command": "simgan-engine bench",
        "k_g": 2,
        "k_d": 1,
        "quick": False,
    }
    cases = [{**shared, **row} for row in rows]
    return {"header": header, "cases": cases, "summary": {"gates": gates}}


def test_record_names_day_and_machine_and_the_newest_of_each_kind_is_shown(tmp_path: Path) -> None:
    kept = [
        tables.record(report(*words[:1], **words[1]), tmp_path).name
        for words in (("2026-01-02", {}), ("2026-01-01", {}), ("2026-01-03", {"gpu": "H200 141GB"}))
    ]
    assert kept == [
        "2026-01-02-cpu-a-r-cpu-2-ghz.json",
        "2026-01-01-cpu-a-r-cpu-2-ghz.json",
        "2026-01-03-h200-141gb.json",
    ]
    other = tmp_path / "quick"
    other.mkdir()
    quick = report("2026-01-01")
    quick["header"]["quick"] = True
    assert tables.record(quick, other).name == "2026-01-01-cpu-a-r-cpu-2-ghz-quick.json"
    reports = tables.recorded(tmp_path)
    assert list(reports) == [kept[1], kept[0], kept[2]]
    shown = tables.newest(reports)
    assert kept[0] in shown
    assert kept[1] not in shown
    assert kept[2] in shown
    assert "| refine: torch.compile | 120 | 2.50 times |" in shown
    assert "| refine: simgan-engine | 300 |  |" in shown
    lines = tables.every(reports).splitlines()[2:]
    assert [name in line for name, line in zip(kept, lines[1:] + lines[:1], strict=True)] == [
        True
    ] * 3
    assert "| 300 | 2.50 (torch.compile) |" in lines[0]


def test_a_report_with_a_red_gate_is_not_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report("2026-01-01", gates=["step simgan-engine"])))
    before = sorted(tables.RESULTS.iterdir())
    assert tables.main([str(path)]) == 1
    assert "step simgan-engine" in capsys.readouterr().err
    assert sorted(tables.RESULTS.iterdir()) == before


def test_a_wrong_baseline_keeps_no_report_from_being_recorded(tmp_path: Path) -> None:
    assert tables.record(report("2026-01-01", gates=["step torch.compile"]), tmp_path).exists()


def test_a_text_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="once each"):
        tables.with_table("no markers", "table")
