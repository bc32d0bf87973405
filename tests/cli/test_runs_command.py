"""`runs ls` and `runs show`: what the files of a run say."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from simgan.cli.runs import command
from simgan.engine.config import to_json, train_config
from simgan.engine.errors import CheckpointError

ROW = {"phase": "train", "step": 4, "d_accuracy_real": 0.5, "mean_abs_change": 0.03}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def make_run(name: str, steps: int, metrics: str = "", planned: int = 4) -> Path:
    run = Path("runs") / name
    (run / "samples").mkdir(parents=True)
    (run / "config.json").write_text(to_json(train_config({"preset": "demo", "steps": planned})))
    (run / "command.txt").write_text("simgan-engine train\n")
    (run / "metrics.jsonl").write_text(metrics)
    for step in range(0, steps + 1, 2):
        folder = run / f"checkpoints/step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    return run


def table(result: Result) -> list[list[str]]:
    return [line.split() for line in result.output.splitlines()]


def test_runs_are_listed_with_steps_state_and_last_metrics(in_tmp: Path) -> None:
    make_run("0001-demo", 4, json.dumps(ROW) + '\n{"phase": "tra')
    make_run("0002-demo", 2)
    with FileLock(make_run("0010-demo", 0) / "LOCK"):
        rows = table(invoke("ls"))
    assert [row[:4] for row in rows[1:]] == [
        ["0001-demo", "demo", "4/4", "done"],
        ["0002-demo", "demo", "2/4", "stopped"],
        ["0010-demo", "demo", "0/4", "training"],
    ]
    assert rows[1][4:7] == ["50%", "-", "0.0300"], "an unfinished last line is passed over"
    assert table(invoke("ls"))[3][3] == "stopped", "a lock left behind is not a lock held"


def test_no_runs_are_no_error(in_tmp: Path) -> None:
    assert invoke("ls").output == "no runs in runs; start one with: simgan-engine train\n"
    assert json.loads(invoke("ls", "--json").output) == []


def test_listing_changes_nothing(in_tmp: Path) -> None:
    make_run("0001-demo", 2)
    before = sorted(in_tmp.rglob("*"))
    invoke("ls")
    invoke("show", "1")
    assert sorted(in_tmp.rglob("*")) == before


@pytest.mark.parametrize("name", ["runs/0002-demo", "0002-demo", "0002", "2"])
def test_a_run_is_found_by_path_name_or_number(name: str, in_tmp: Path) -> None:
    make_run("0001-demo", 4)
    make_run("0002-demo", 2, json.dumps(ROW))
    shown = [" ".join(row) for row in table(invoke("show", name))]
    for row in ("run runs/0002-demo", "steps 2 of 4", "command simgan-engine train", "D real 50%"):
        assert row in shown
    assert shown[-1] == "continue: simgan-engine train --resume runs/0002-demo"
    found = json.loads(invoke("show", name, "--json").output)
    assert found["checkpoints"] == ["step-00000000", "step-00000002"]


def test_an_unknown_run_is_named(in_tmp: Path) -> None:
    make_run("0001-demo", 2)
    with pytest.raises(CheckpointError, match="7 does not exist"):
        invoke("show", "7")
