"""Row 3: a disk that is full or broken while a checkpoint is written costs that checkpoint only."""

import json
import os
import re
from pathlib import Path

import pytest
from forked import Zygote, final_state, leftovers, newest, settings

from simgan.engine.checkpoint import checkpoints, load_checkpoint

FILES = ("refiner", "discriminator", "optim_r", "optim_d", "metrics", "history")
PLACES = [
    *(f"checkpoint.write.{name}.safetensors" for name in FILES),
    "checkpoint.write.state.json",
    "checkpoint.write.manifest.json",
    "checkpoint.before_rename",
]
# The names of checkpoints in the order in which a small run writes them.
SAVES = ("R 0", "R 2", "D 0", "D 2", "step 0", "step 2", "step 4", "step 6", "step 8")


def nth(name: str) -> int:
    return SAVES.index(name) + 1


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_is_told_survived_and_leaves_nothing_behind(
    zygote: Zygote, quick_folder: Path, place: str
) -> None:
    values = settings(quick_folder, keep=10)
    fault = ["lasting_failpoint", place, "enospc", nth("step 4"), nth("step 4")]
    code, text = zygote.run(train=values, plants=[fault])
    run = Path(values["out"])
    assert code == 0, text
    kept = [path.name for path in checkpoints(run / "checkpoints")]
    assert "step-00000004" not in kept
    assert {"step-00000002", "step-00000006"} <= set(kept)
    for path in checkpoints(run / "checkpoints"):
        load_checkpoint(path)
    assert leftovers(run) == []
    free = f"free [0-9,]+ MB in {run}"
    sentence = (
        rf"Warning: cannot write checkpoint step 4: disk full \(need [0-9,]+ MB, {free}\)\. "
        r"Previous checkpoint step 2 is intact\. "
        r"Training continues; free space or pass --keep 1\."
    )
    assert re.search(sentence, text), text


@pytest.mark.parametrize("function", ["rename", "fsync"])
def test_a_failing_system_call_is_survived(
    zygote: Zygote, quick_folder: Path, function: str
) -> None:
    values = settings(quick_folder, keep=10)
    fault = ["failing", function, "EIO", ".tmp-step-00000002", 1]
    code, text = zygote.run(train=values, plants=[fault])
    run = Path(values["out"])
    assert code == 0, text
    assert "cannot write checkpoint step 2: Input/output error." in text
    assert "Previous checkpoint step 0 is intact. Training continues" in text
    assert newest(run).name == "step-00000006"
    assert leftovers(run) == []


def test_a_run_that_missed_a_checkpoint_ends_like_one_that_did_not(
    zygote: Zygote, quick_folder: Path
) -> None:
    whole, parts = settings(quick_folder / "whole"), settings(quick_folder / "parts")
    assert zygote.run(train=whole)[0] == 0
    fault = [
        "lasting_failpoint",
        "checkpoint.before_rename",
        "enospc",
        nth("step 0"),
        nth("step 2"),
    ]
    assert zygote.run(train=parts, plants=[fault])[0] == 0
    assert final_state(Path(parts["out"])) == final_state(Path(whole["out"]))


def test_the_third_failure_in_a_row_ends_the_run_with_exit_code_7(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, steps=30)
    fault = ["lasting_failpoint", "checkpoint.write.state.json", "enospc", nth("step 4"), 99]
    code, text = zygote.run(train=values, plants=[fault])
    run = Path(values["out"])
    assert code == 7, text
    assert text.count("Training continues") == 2
    assert "DiskError: cannot write checkpoint step 8: disk full" in text
    assert newest(run).name == "step-00000002"
    load_checkpoint(newest(run))
    assert leftovers(run) == []


def test_failures_that_are_not_in_a_row_do_not_end_the_run(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, steps=12, keep=20)
    faults = {"SIMGAN_FAILPOINT": f"durable.before_fsync:enospc:{9 * nth('step 4')}"}
    fault = ["lasting_failpoint", "checkpoint.before_rename", "enospc", nth("D 2"), nth("step 0")]
    code, text = zygote.run(train=values, plants=[fault], env=faults)
    assert code == 0, text
    assert newest(Path(values["out"])).name == "step-00000012"


def test_a_last_checkpoint_that_cannot_be_written_is_a_failure_of_the_run(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder)
    fault = {"SIMGAN_FAILPOINT": f"checkpoint.write.state.json:enospc:{nth('step 6')}"}
    code, text = zygote.run(train=values, env=fault)
    assert code == 7, text
    assert "cannot write checkpoint step 6: disk full" in text
    assert newest(Path(values["out"])).name == "step-00000004"
    assert zygote.run(resume=[values["out"], None])[0] == 0
    assert newest(Path(values["out"])).name == "step-00000006"


def test_a_file_size_limit_of_the_system_acts_like_a_full_disk(
    zygote: Zygote, quick_folder: Path
) -> None:
    # The discriminator's Adam moments are the largest file (0.6 MB) and the first that cannot be.
    values = settings(quick_folder)
    code, text = zygote.run(train=values, file_limit=400_000)
    run = Path(values["out"])
    assert code == 7, text
    assert "disk full" in text
    assert leftovers(run) == []
    kept = checkpoints(run / "checkpoints")
    # Before the discriminator's first update its Adam has no moments, and all files fit.
    assert [path.name for path in kept] == ["pretraining-00000002", "pretraining-10000000"]
    for path in kept:
        load_checkpoint(path)
    assert zygote.run(resume=[values["out"], None])[0] == 0
    assert newest(run).name == "step-00000006"


def test_a_row_of_metrics_that_does_not_fit_is_told_and_not_half_there(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder)
    fault = {"SIMGAN_FAILPOINT": "logbook.write:enospc:3"}
    code, text = zygote.run(train=values, env=fault)
    assert code == 0
    assert "metrics.jsonl: disk full" in text
    lines = (Path(values["out"]) / "metrics.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 2 + 2 + 3 - 1


def test_an_old_checkpoint_that_cannot_be_removed_is_told_and_training_goes_on(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder)
    fault = {"SIMGAN_FAILPOINT": "checkpoint.prune:eio:2"}
    code, text = zygote.run(train=values, env=fault)
    assert code == 0, text
    assert "Warning: cannot remove an old checkpoint: " in text
    assert newest(Path(values["out"])).name == "step-00000006"
    assert os.listdir(Path(values["out"]) / "checkpoints")


def test_files_are_synced_before_the_manifest_before_the_rename_before_the_parent(
    zygote: Zygote, quick_folder: Path
) -> None:
    """Row 2: no prefix of these calls, lost or not, leaves a folder that is named but not whole."""
    code, text = zygote.run(call=["note_disk_calls", str(quick_folder)])
    assert code == 0, text
    calls = json.loads(text)
    named = [call for call in calls if "rename" in call[0]]
    assert named == [["rename", ".tmp-step-00000001", "step-00000001"]]
    place = calls.index(named[0])
    synced = [call[1] for call in calls[:place] if call[0] == "fsync"]
    assert synced[-2:] == ["manifest.json", ".tmp-step-00000001"]
    assert {"refiner.safetensors", "history.safetensors", "state.json"} <= set(synced[:-2])
    assert calls[place + 1] == ["fsync", "checkpoints"]
    assert calls[-2:] == [["replace", calls[-2][1], "latest"], ["fsync", "checkpoints"]]
