"""The words of `simgan-engine ablate`."""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from tiny_ablation import Calls, comparable, settings, words

from simgan.cli import ablate_table, main
from simgan.cli.ablate import command
from simgan.cli.progress import MOST_BARS, LiveProgress
from simgan.engine import ablate


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_plan_progress_and_table(tmp_path: Path, calls: Calls) -> None:
    result = invoke(*words(settings(tmp_path / "out", arms="history,k-g", seeds=2))[1:])
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    for text in (
        "6 runs of 3 arms, 0 of them trained; no estimate before the first run",
        "no history history false 2 2 1, 2",
        "note: K_g 50: 1 step of 50 refiner updates, the base 2 of 2",
        "1/6 base, seed 0: train: 1 steps",
        "run 1 of 6 done; about a minute is left",
        "6/6 K_g 50, seed 1: train",
    ):
        assert text in told, text
    shown = " ".join(result.stdout.split())
    for text in (
        "mean angular error of 2 refiner seeds in degrees, 95% intervals",
        "error interval better by interval p (Holm) spread jump",
        "note: 2 seeds are few",
        "note: intervals are over refiner seeds, for this one test set",
        f"wrote {tmp_path}/out/ablation.json",
    ):
        assert text in shown, text
    table = result.stdout.partition("note:")[0]
    assert max(map(len, table.splitlines())) <= 100


def test_a_dry_run_shows_the_plan_and_what_is_done(tmp_path: Path, calls: Calls) -> None:
    arguments = words(settings(tmp_path / "out"))[1:]
    assert "0 of them trained; no estimate" in invoke(*arguments, "--dry-run").stdout
    assert not (tmp_path / "out").exists()
    assert calls.trained == []
    invoke(*arguments)
    assert "2 of them trained; nothing is left to do" in invoke(*arguments, "-n").stdout
    wider = words(settings(tmp_path / "out", arms="history,lambda"))[1:]
    more = json.loads(invoke(*wider, "-n", "--json").stdout)
    assert [arm["name"] for arm in more["arms"]] == [
        *("base", "no-history", "lambda-0.03", "lambda-3")
    ]
    assert more["arms"][2]["changes"] == {"lambda_reg": 0.03}
    assert (more["runs"], more["trained"]) == (4, 2) and more["seconds_left"] > 0


def test_json_is_the_report_and_the_python_interface_agrees(tmp_path: Path, calls: Calls) -> None:
    found = json.loads(invoke(*words(settings(tmp_path / "a"))[1:], "--json", "-q").stdout)
    assert found == json.loads((tmp_path / "a" / "ablation.json").read_text())
    assert comparable(found) == comparable(ablate(settings(tmp_path / "b")).report)


def test_settings_of_a_run_are_a_base(tmp_path: Path, calls: Calls) -> None:
    values = settings(tmp_path / "out", lambda_reg=0.7)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({k: values[k] for k in ("synthetic", "real", "lambda_reg")}))
    arguments = words({k: v for k, v in values.items() if k not in ("synthetic", "lambda_reg")})
    plan = json.loads(invoke(*arguments[1:], "--config", str(file), "-n", "--json").stdout)
    assert plan["runs"] == 2


def test_a_failed_arm_is_in_the_table(tmp_path: Path, calls: Calls) -> None:
    report = ablate(settings(tmp_path)).report
    report["arms"][1] |= {"mean": None, "against_base": None, "spread": None, "fluctuation": None}
    console = Console(width=100, record=True, file=io.StringIO())
    ablate_table.show(report, console=console)
    assert "no history failed" in " ".join(console.export_text().split())


def test_bars_of_many_runs_do_not_fill_the_screen() -> None:
    with LiveProgress(io.StringIO()) as live:
        for number in range(3 * MOST_BARS):
            live.phase(f"run {number}", 1, 0)
        shown = [task.description for task in live._bars.tasks]
    assert shown == [f"run {number}" for number in range(2 * MOST_BARS, 3 * MOST_BARS)]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--arms", "lamda"], 3, "got 'lamda'. Did you mean lambda?\n  set by --arms"),
        (["--lambdas", "big"], 3, "lambdas must be numbers of at least 0, got 'big'"),
        (["--synthetic", "a"], 3, "--real is missing"),
        (["--synthetic", "a", "--real", "b"], 3, "--test is missing"),
        (["--seeds", "0"], 2, "--seeds"),
        (["--equal", "hours"], 2, "'hours' is not one of 'updates', 'steps'"),
    ],
    ids=["arm", "lambda", "one-set", "no-test", "seeds", "equal"],
)
def test_faults_of_a_user_are_sentences(
    arguments: list[str],
    code: int,
    sentence: str,
    in_tmp: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as info:
        main.run(["ablate", *arguments])
    captured = capsys.readouterr()
    assert info.value.code == code
    assert sentence in captured.err
    assert "Traceback" not in captured.err and captured.out == ""
    assert list(in_tmp.iterdir()) == []
