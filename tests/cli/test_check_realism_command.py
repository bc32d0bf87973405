"""The words of `simgan-engine check-realism`, and what train and runs say of a rule to stop."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simgan.cli import main
from simgan.cli.check_realism import command
from simgan.cli.runs import command as runs_command
from simgan.cli.train import command as train_command
from simgan.engine.best_checkpoint import Best, write_best
from simgan.engine.config import to_json, train_config

REAL = "procedural:camera?count=60&seed=2"
SETS = ["--refined", "procedural:synthetic?count=60&seed=1", "--real", REAL]
QUICK = ["--steps", "2", "--batch", "4", "--permutations", "9", "--device", "cpu"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*QUICK, *arguments], catch_exceptions=False)


def test_tables_hold_every_test_within_100_columns() -> None:
    result = invoke(*SETS, "--synthetic", "procedural:synthetic?count=55&seed=4")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    for words in (
        "kernel distance to real (0 is ideal; fixed random filters, 448 features)",
        "60 and 60",
        "55 and 60",
        "fresh discriminators told them from real (50 % is ideal)",
        "2 x 30",
        "Wasserstein-1 distance to real",
        "two halves of real",
        "note: the KID of random filters compares sets of one check",
    ):
        assert words in text, words
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "refined or real, seed 2: 2 steps" in result.stderr


def test_json_is_one_object_and_files_lie_in_the_folder(in_tmp: Path) -> None:
    found = json.loads(invoke(*SETS, "--json", "--out", "found", "--seeds", "1").stdout)
    assert found == json.loads(Path("found/realism.json").read_text())
    assert found["config"]["real"] == REAL
    assert found["comparisons"][0]["classifier"]["patch_low"] is None


def test_what_is_missing_ends_with_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(["check-realism", "--real", REAL])
    assert ended.value.code == 3
    assert "Error: --refined is missing" in capsys.readouterr().err


def test_a_run_that_its_rule_ended_is_done(in_tmp: Path) -> None:
    run = Path("runs/0001-demo")
    folder = run / "checkpoints/step-00000020"
    folder.mkdir(parents=True)
    (run / "config.json").write_text(to_json(train_config({"preset": "demo"})))

    def state() -> dict[str, Any]:
        text = CliRunner().invoke(runs_command, ["show", "1", "--json"]).output
        found: dict[str, Any] = json.loads(text)
        return found

    assert (state()["state"], state()["best"]) == ("stopped", None)
    write_best(folder.parent, Best(folder.name, 20, "kid", 0.25, 0.5, 40))
    assert (state()["state"], state()["best"]["step"]) == ("done", 20)
    shown = CliRunner().invoke(runs_command, ["show", "1"]).output
    assert "step-00000020: KID 0.25; ended the run at step 40" in shown
    assert "--resume" not in shown


def test_a_rule_that_never_looks_is_refused_by_train(in_tmp: Path) -> None:
    arguments = ["--stop-on", "kid", "--stop-every", "1000", "--steps", "10"]
    with pytest.raises(ValueError, match="the run is never looked at"):
        CliRunner().invoke(train_command, arguments, catch_exceptions=False)
