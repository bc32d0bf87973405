"""Row 1: a run killed at any moment goes on from its newest checkpoint to the same end, exactly."""

import random
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from forked import Zygote, final_state, leftovers, settings

FILES = ("refiner", "discriminator", "optim_r", "optim_d", "history")
FAILPOINTS = [
    ("train.step", (1, 3, 4, 6, 7, 9, 12)),  # in each of the three phases, and on their borders
    ("train.between_updates", (1, 2, 5)),
    *((f"checkpoint.write.{name}.safetensors", (1, 5)) for name in FILES),
    ("checkpoint.write.state.json", (1, 4)),
    ("checkpoint.write.manifest.json", (1, 4)),
    ("durable.before_fsync", (1, 2, 5, 9, 40)),
    ("checkpoint.before_rename", (1, 2, 5)),
    ("checkpoint.after_rename", (1, 2, 5)),
    ("checkpoint.prune", (1, 3)),
    ("logbook.write", (1, 2, 5)),
]
RANDOM_KILLS = 30


@pytest.fixture(scope="module")
def uninterrupted(zygote: Zygote, quick_root: Path) -> dict[str, Any]:
    folder = quick_root / "uninterrupted"
    assert zygote.run(train=settings(folder))[0] == 0
    return final_state(folder / "run")


@pytest.mark.parametrize(
    ("name", "nth"), [(name, nth) for name, times in FAILPOINTS for nth in times]
)
def test_a_run_killed_at_a_named_place_ends_like_one_that_was_not(
    zygote: Zygote, quick_folder: Path, uninterrupted: dict[str, Any], name: str, nth: int
) -> None:
    fault = {"SIMGAN_FAILPOINT": f"{name}:kill:{nth}"}
    code, text = zygote.run(train=settings(quick_folder), env=fault)
    assert code == -9, f"{name} was not passed {nth} times:\n{text}"
    run = quick_folder / "run"
    if not (run / "config.json").is_file():
        return  # died before it had noted its settings: there is no run yet
    code, text = zygote.run(resume=[str(run), None])
    assert code == 0, text
    assert final_state(run) == uninterrupted
    assert leftovers(run) == []


def test_a_run_killed_at_random_times_again_and_again_ends_like_one_that_was_not(
    zygote: Zygote, quick_folder: Path
) -> None:
    longer = {"steps": 30, "checkpoint_every": 3, "log_every": 3}
    whole = settings(quick_folder / "whole", **longer)
    begin = time.monotonic()
    assert zygote.run(train=whole)[0] == 0
    usual = time.monotonic() - begin
    generator = random.Random(7)
    killed = 0
    for attempt in count():
        if killed >= RANDOM_KILLS:
            break
        folder = quick_folder / f"killed-{attempt}"
        child = zygote.start(train=settings(folder, **longer))
        child.wait_for("run folder")
        while True:
            time.sleep(generator.uniform(0.0, 0.3) * usual)
            if child.running():
                child.send(9)
            if child.wait() == 0:  # it was faster than the signal
                break
            assert child.status == -9
            killed += 1
            child = zygote.start(resume=[str(folder / "run"), None])
        assert child.wait() == 0, child.text
        assert final_state(folder / "run") == final_state(quick_folder / "whole" / "run")
        assert leftovers(folder / "run") == []


def test_half_a_row_of_metrics_is_cut_away(
    zygote: Zygote, quick_folder: Path, uninterrupted: dict[str, Any]
) -> None:
    fault = {"SIMGAN_FAILPOINT": "train.step:kill:11"}
    assert zygote.run(train=settings(quick_folder), env=fault)[0] == -9
    run = quick_folder / "run"
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(b'{"phase": "train", "step": 5, "refi')
    assert zygote.run(resume=[str(run), None])[0] == 0
    assert final_state(run) == uninterrupted


def test_the_first_line_of_a_resume_says_where_it_stands(
    zygote: Zygote, quick_folder: Path
) -> None:
    fault = {"SIMGAN_FAILPOINT": "train.step:kill:11"}
    assert zygote.run(train=settings(quick_folder), env=fault)[0] == -9
    run = quick_folder / "run"
    _, text = zygote.run(resume=[str(run), None])
    assert f"resuming {run} at step 4 (checkpoint of " in text
    assert ", verified 7 files)" in text
