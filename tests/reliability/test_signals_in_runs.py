"""Rows 26 and 27: the first signal saves and stops in every phase, the second ends at once."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from forked import Zygote, final_state, leftovers, newest, settings, sha256
from PIL import Image
from tiny import tiny_images

from simgan.engine.checkpoint import checkpoints, load_checkpoint

PLACES = [
    ("pretrain-refiner", 1, "step 1 of pre-training R"),
    ("pretrain-refiner", 3, "step 3 of pre-training R"),
    ("pretrain-discriminator", 2, "step 2 of pre-training D"),
    ("train", 1, "step 1"),
    ("train", 5, "step 5"),
]
NUMBERS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def words(values: dict[str, Any]) -> list[str]:
    """The command line of a training run."""
    found = ["train"]
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if value is True or value is False:
            found.append(option if value else option.replace("--", "--no-", 1))
        else:
            found += [option, str(value)]
    return found


@pytest.fixture(scope="module")
def uninterrupted(zygote: Zygote, quick_root: Path) -> dict[str, Any]:
    values = settings(quick_root / "signals")
    assert zygote.run(train=values)[0] == 0
    return final_state(Path(values["out"]))


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("phase", "step", "spoken"), PLACES)
def test_the_first_signal_saves_and_stops_and_the_resumed_run_ends_the_same(
    zygote: Zygote,
    quick_folder: Path,
    uninterrupted: dict[str, Any],
    phase: str,
    step: int,
    spoken: str,
    number: int,
) -> None:
    values = settings(quick_folder)
    plants = [["signal_after", phase, step, number]]
    code, text = zygote.run(cli=words(values), plants=plants)
    run = Path(values["out"])
    assert code == NUMBERS[signal.Signals(number)], text
    assert f"stopping after {spoken}: saved" in text
    assert f"Resume: simgan-engine train --resume {run}" in text
    load_checkpoint(checkpoints(run / "checkpoints")[-1])
    code, text = zygote.run(cli=["train", "--resume", str(run)])
    assert code == 0, text
    assert final_state(run) == uninterrupted


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_while_images_are_packed_stops_before_anything_is_written(
    zygote: Zygote, quick_folder: Path, number: int
) -> None:
    folder = quick_folder / "images"
    folder.mkdir()
    for index, image in enumerate(tiny_images(40, 1)):
        Image.fromarray(image[:, :, 0]).save(folder / f"{index}.png")
    values = settings(quick_folder, synthetic=str(folder), real=str(folder))
    plants = [["signal_while_packing", number]]
    code, text = zygote.run(cli=words(values), plants=plants)
    assert code == NUMBERS[signal.Signals(number)], text
    assert "stopped while reading images; nothing was written" in text
    assert not Path(values["out"]).exists()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_signal_ends_the_run_at_once_and_names_the_last_checkpoint(
    zygote: Zygote, quick_folder: Path, number: int
) -> None:
    values = settings(quick_folder)
    plants = [["signal_after", "train", 3, number, number]]
    code, text = zygote.run(cli=words(values), plants=plants)
    run = Path(values["out"])
    assert code == NUMBERS[signal.Signals(number)], text
    assert "forced stop; step 2 is the last complete checkpoint" in text
    assert "saved" not in text
    assert newest(run).name == "step-00000002"
    assert zygote.run(resume=[str(run), None])[0] == 0


def test_a_second_signal_while_a_checkpoint_is_written_leaves_the_older_one(
    zygote: Zygote, quick_folder: Path, uninterrupted: dict[str, Any]
) -> None:
    values = settings(quick_folder)
    hang = {"SIMGAN_FAILPOINT": "checkpoint.write.state.json:sleep:6"}
    child = zygote.start(train=values, env=hang)
    run = Path(values["out"])
    while not list(run.glob("checkpoints/.tmp-step-00000002/history.safetensors")):
        assert child.running(), child.text
    child.send(signal.SIGTERM)
    child.send(signal.SIGINT)
    assert child.wait() in (130, 143)
    assert "forced stop; step 0 is the last complete checkpoint" in child.text
    assert zygote.run(resume=[str(run), None])[0] == 0
    assert leftovers(run) == []
    assert final_state(run) == uninterrupted


def test_a_signal_from_outside_at_any_time_stops_with_a_checkpoint(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, steps=10_000)
    child = zygote.start(cli=words(values), plants=[["slow_steps", 0.01]])
    child.wait_for("train: 10,000 steps")
    child.send(signal.SIGTERM)
    assert child.wait() == 143
    assert "stopping after step " in child.text
    load_checkpoint(newest(Path(values["out"])))


def test_the_installed_command_stops_with_130_on_ctrl_c(tmp_path: Path) -> None:
    """The one test here that pays for a process of its own: no fork, no planted signal."""
    values = settings(tmp_path, steps=100_000, log_every=1)
    start = "import sys; from simgan.cli.main import run; run(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", start, *words(values), "--verbose"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("train 1/100,000"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "stopping after step " in rest
    last = newest(tmp_path / "run")
    assert sha256(last / "manifest.json")
