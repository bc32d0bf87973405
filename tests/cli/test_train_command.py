"""The words of `simgan-engine train`, with a pretended trainer and once with the real one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny import TINY, tiny_data

from simgan.cli import main
from simgan.cli.train import command
from simgan.engine import trainer
from simgan.engine.config import TrainConfig, to_json, train_config
from simgan.engine.observer import Observer
from simgan.engine.trainer import RunResult

METRICS = {"step": 4.0, "refiner_loss": 12.5, "eta_s": float("inf")}


def finished_run(path: Path) -> RunResult:
    for folder in ("samples", "checkpoints/step-00000004"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(to_json(train_config()))
    for step in (2, 4):
        (path / f"samples/step-{step:08d}.png").write_bytes(b"")
    return RunResult(path, 4, METRICS, path / "checkpoints/step-00000004")


def talk(observer: Observer) -> None:
    observer.message("run folder made")
    observer.phase("train", 4, 0)
    observer.tick(METRICS)
    observer.warning("look here")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> list[TrainConfig]:
    """The configs that the pretending trainer was given."""
    seen: list[TrainConfig] = []

    def train(config: TrainConfig, *, observer: Observer) -> RunResult:
        seen.append(config)
        talk(observer)
        return finished_run(Path(config.out or "runs/0001-demo"))

    monkeypatch.setattr(trainer, "train", train)
    return seen


Resumed = tuple[str, int | None, int | None]


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> list[Resumed]:
    """The runs that the pretending trainer was asked to continue, with new T and patience."""
    seen: list[Resumed] = []
    finished_run(Path("runs/0001-demo"))

    def resume(
        path: Path,
        *,
        steps: int | None,
        patience: int | None,
        feature_transform: str | None,
        observer: Observer,
    ) -> RunResult:
        assert feature_transform is None
        seen.append((str(path), steps, patience))
        return finished_run(Path(path))

    monkeypatch.setattr(trainer, "resume", resume)
    return seen


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def test_the_exact_line_of_the_readme_needs_nothing_else(started: list[TrainConfig]) -> None:
    result = invoke("--amp", "--channels-last")
    assert result.exit_code == 0, result.output
    assert (started[0].amp, started[0].channels_last, started[0].preset) == (True, True, "demo")


def test_the_end_names_run_samples_checkpoint_and_the_next_command(
    started: list[TrainConfig],
) -> None:
    lines = invoke().stdout.splitlines()
    assert lines[0].startswith("4 steps done in ")
    assert [line.split() for line in lines[1:4]] == [
        ["run", "runs/0001-demo"],
        ["samples", "runs/0001-demo/samples/step-00000004.png"],
        ["checkpoint", "runs/0001-demo/checkpoints/step-00000004"],
    ]
    assert lines[4] == "next: simgan-engine refine"


def test_a_run_elsewhere_is_named_to_refine(started: list[TrainConfig]) -> None:
    assert (
        invoke("--out", "mine").stdout.splitlines()[-1] == "next: simgan-engine refine --run mine"
    )


def test_json_is_one_object_and_logs_go_to_stderr(started: list[TrainConfig]) -> None:
    result = invoke("--json")
    assert json.loads(result.stdout) == {
        "run": "runs/0001-demo",
        "steps": 4,
        "metrics": {"step": 4.0, "refiner_loss": 12.5, "eta_s": None},
        "checkpoint": "runs/0001-demo/checkpoints/step-00000004",
        "best": None,
        "verdict": None,
        "samples": "runs/0001-demo/samples/step-00000004.png",
    }
    assert "run folder made" in result.stderr


def test_quiet_says_warnings_only(started: list[TrainConfig]) -> None:
    result = invoke("-q")
    assert result.stdout == ""
    assert result.stderr == "Warning: look here\n"


def test_verbose_adds_the_settings_and_their_origins(started: list[TrainConfig]) -> None:
    rows = [line.split() for line in invoke("-v", "--lr", "0.1").stderr.splitlines()]
    assert ["lr", "0.1", "--lr"] in rows


def test_resume_takes_the_run_and_perhaps_a_longer_t(
    resumed: list[Resumed],
) -> None:
    assert invoke("--resume", "runs/0001-demo").exit_code == 0
    assert invoke("--resume", "runs/0001-demo", "--steps", "9", "--json").exit_code == 0
    assert invoke("--resume", "runs/0001-demo", "--patience", "4").exit_code == 0
    run = "runs/0001-demo"
    assert resumed == [(run, None, None), (run, 9, None), (run, None, 4)]


@pytest.mark.parametrize(
    "other",
    [["--lr", "1"], ["--no-history"], ["--set", "lr=1"], ["--config", "c.toml"], ["--dry-run"]],
    ids=lambda words: words[0],
)
def test_resume_refuses_every_other_setting_by_name(
    other: list[str], resumed: list[Resumed]
) -> None:
    result = invoke("--resume", "runs/0001-demo", *other)
    assert result.exit_code == 2
    assert f"{other[0].replace('no-', '')} cannot go with it" in result.stderr.replace("no-", "")
    assert resumed == []


def test_resume_ignores_what_the_folder_and_the_environment_say(
    resumed: list[Resumed], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("simgan.toml").write_text("[train]\nlr = 1\n")
    monkeypatch.setenv("SIMGAN_STEPS", "77")
    assert invoke("--resume", "runs/0001-demo").exit_code == 0
    assert resumed == [("runs/0001-demo", None, None)]


def crash_report(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Path:
    with pytest.raises(SystemExit) as info:
        main.run(["train", *arguments])
    err = capsys.readouterr().err
    assert info.value.code == 1
    return Path(err.split("report: ")[1].splitlines()[0])


def failing(path: str) -> Callable[..., RunResult]:
    def train(*_: object, observer: Observer, **__: object) -> RunResult:
        finished_run(Path(path))
        raise KeyError("planted")

    return train


@pytest.mark.parametrize("out", [None, "mine"])
def test_the_report_of_a_bug_lies_in_the_run_folder(
    out: str | None,
    in_tmp: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finished_run(Path("runs/0001-demo"))
    monkeypatch.setattr(trainer, "train", failing(out or "runs/0002-demo"))
    report = crash_report(["--out", out] if out else [], capsys)
    assert report.parent == Path(out or "runs/0002-demo")
    assert "KeyError: 'planted'" in report.read_text()


def dry_run(in_tmp: Path, *arguments: str) -> Result:
    data = tiny_data(in_tmp / "data")
    before = sorted(in_tmp.rglob("*"))
    where = ["--synthetic", data["synthetic"], "--real", data["real"]]
    result = invoke("--dry-run", *where, "--width", "4", "--blocks", "1", *arguments)
    assert sorted(in_tmp.rglob("*")) == before, "a dry run writes nothing"
    return result


def test_dry_run_tells_settings_data_and_memory(in_tmp: Path) -> None:
    rows = [" ".join(line.split()) for line in dry_run(in_tmp).stdout.splitlines()]
    assert "width 4 --width" in rows
    assert "R parameters 341" in rows
    synthetic = next(row for row in rows if row.startswith("synthetic") and "images" in row)
    assert "11 images (npz) 24x28x1 uint8 7.4 kB packed" in synthetic


def test_dry_run_in_json_is_one_object(in_tmp: Path) -> None:
    found: dict[str, Any] = json.loads(dry_run(in_tmp, "--json", "--batch", "8").stdout)
    assert found["config"]["batch"] == 8
    assert found["origins"]["batch"] == "--batch"
    assert found["data"]["real"]["count"] == 9
    assert found["parameters"] == {"refiner": 341, "discriminator": 75_906}
    parts = {name: size for name, size in found["memory_bytes"].items() if name != "total"}
    assert sum(parts.values()) == found["memory_bytes"]["total"]


def test_dry_run_refuses_what_training_would(in_tmp: Path) -> None:
    result = CliRunner().invoke(command, ["--dry-run", "--synthetic", "somewhere"])
    assert "--real is missing" in str(result.exception)


def test_the_real_trainer_trains_and_resumes(
    in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = {**TINY, **tiny_data(in_tmp / "data"), "steps": 2}
    Path("simgan.toml").write_text(
        "[train]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in tiny.items())
    )
    for arguments, steps in ((["--json"], 2), (["--resume", "runs/0001-gaze", "--steps", "3"], 3)):
        with pytest.raises(SystemExit) as info:
            main.run(["train", *arguments])
        assert info.value.code == 0
        captured = capsys.readouterr()
        assert f"train: {steps} steps" in captured.err
    assert "3 steps done" in captured.out
    assert Path("runs/0001-gaze/checkpoints/step-00000003/manifest.json").is_file()
