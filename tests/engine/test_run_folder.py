"""Run folders: numbered, complete from the start, found again."""

import json
from pathlib import Path

import pytest

from simgan.engine.config import train_config
from simgan.engine.errors import CheckpointError, ConfigError, DiskError
from simgan.engine.run_folder import RunFolder, latest_run, runs


def create(root: Path, preset: str = "demo") -> RunFolder:
    return RunFolder.create(train_config({"preset": preset}), root)


def test_runs_are_numbered_and_named_after_their_preset(tmp_path: Path) -> None:
    names = [create(tmp_path / "runs", preset).path.name for preset in ("demo", "gaze", "hand")]
    assert names == ["0001-demo", "0002-gaze", "0003-hand"]


def test_numbers_go_on_after_the_highest_and_past_9999(tmp_path: Path) -> None:
    (tmp_path / "9999-demo").mkdir()
    (tmp_path / "0003-gaze").mkdir()
    (tmp_path / "notes").mkdir()
    assert create(tmp_path).path.name == "10000-demo"


def test_the_latest_run_is_the_highest_number(tmp_path: Path) -> None:
    (tmp_path / "9999-demo").mkdir()
    (tmp_path / "9999-demo" / "config.json").write_text("{}")
    newest = create(tmp_path)
    assert latest_run(tmp_path).path == newest.path
    assert [path.name for path in runs(tmp_path)] == ["9999-demo", "10000-demo"]


def test_a_run_notes_settings_machine_and_command(tmp_path: Path) -> None:
    run = create(tmp_path)
    assert run.config() == train_config({"preset": "demo"})
    assert json.loads((run.path / "environment.json").read_bytes())["torch"]
    assert (run.path / "command.txt").read_text().strip()


@pytest.mark.parametrize("content", ["file", "folder"])
def test_a_folder_that_is_not_empty_is_never_written_into(tmp_path: Path, content: str) -> None:
    out = tmp_path / "mine"
    if content == "file":
        out.write_text("precious")
    else:
        out.mkdir()
        (out / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match=f"out: {out} already exists and is not empty") as caught:
        RunFolder.create(train_config({"preset": "demo", "out": str(out)}))
    assert f"--resume {out}" in str(caught.value)


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    run = RunFolder.create(train_config({"preset": "demo", "out": str(tmp_path)}))
    assert run.path == tmp_path


def test_a_place_that_cannot_be_written_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot write"):
        create(tmp_path / "file" / "runs")


def test_what_is_no_run_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"is not a run folder: it has no config\.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(CheckpointError, match="there is no run in"):
        latest_run(tmp_path)


def test_a_run_is_untouched_until_its_first_checkpoint_or_row(tmp_path: Path) -> None:
    run = create(tmp_path)
    assert run.untouched()
    (run.checkpoints / ".tmp-pretraining-00000000").mkdir()
    assert run.untouched()
    run.metrics.write_text("{}\n")
    assert not run.untouched()
    run.metrics.unlink()
    (run.checkpoints / "step-00000004.bad").mkdir()
    assert not run.untouched()


def test_the_note_of_the_lock_is_gone_after_the_run(tmp_path: Path) -> None:
    run = create(tmp_path)
    with run.lock():
        assert (run.path / "LOCK.json").is_file()
    assert not (run.path / "LOCK.json").exists()
    with run.lock():
        pass
