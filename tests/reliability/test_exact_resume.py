"""A stopped and resumed run equals one that never stopped, exactly, and each saved part matters."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from forked import Zygote, final_state, newest, settings

KINDS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "lr": 1e-4},
    "channels_last": {"channels_last": True, "width": 4},
    "no-history": {"history": False},
    "history-still-filling": {"history_capacity": 50},
    "k_g-1-k_d-3": {"k_g": 1, "k_d": 3},
    "global": {"adversarial": "global"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_by_sigterm_and_resumed_equals_one_that_never_stopped(
    zygote: Zygote, quick_folder: Path, kind: str
) -> None:
    whole = settings(quick_folder / "whole", **KINDS[kind])
    parts = settings(quick_folder / "parts", **KINDS[kind])
    assert zygote.run(train=whole)[0] == 0
    stop = ["signal_after", "train", 3, signal.SIGTERM]
    assert zygote.run(train=parts, plants=[stop])[0] == 143
    assert zygote.run(resume=[parts["out"], None])[0] == 0
    assert final_state(Path(parts["out"])) == final_state(Path(whole["out"]))


@pytest.mark.parametrize("kind", ["adam", "sgd", "channels_last"])
def test_a_run_made_longer_equals_one_that_was_long_from_the_start(
    zygote: Zygote, quick_folder: Path, kind: str
) -> None:
    whole = settings(quick_folder / "whole", steps=8, **KINDS[kind])
    parts = settings(quick_folder / "parts", steps=4, **KINDS[kind])
    assert zygote.run(train=whole)[0] == 0
    assert zygote.run(train=parts)[0] == 0
    assert zygote.run(resume=[parts["out"], 8])[0] == 0
    assert final_state(Path(parts["out"])) == final_state(Path(whole["out"]))


def test_a_resume_computes_with_as_many_threads_as_the_run_had(
    zygote: Zygote, quick_folder: Path
) -> None:
    whole, parts = settings(quick_folder / "whole"), settings(quick_folder / "parts")
    assert zygote.run(train=whole, threads=2)[0] == 0
    stop = ["signal_after", "train", 3, signal.SIGTERM]
    assert zygote.run(train=parts, threads=2, plants=[stop])[0] == 143
    assert zygote.run(resume=[parts["out"], None], threads=1)[0] == 0
    state = final_state(Path(parts["out"]))
    assert state["state"]["threads"] == 2
    assert state == final_state(Path(whole["out"]))


def test_a_run_stopped_after_every_single_step_equals_one_that_never_stopped(
    zygote: Zygote, quick_folder: Path
) -> None:
    whole, parts = settings(quick_folder / "whole"), settings(quick_folder / "parts")
    assert zygote.run(train=whole)[0] == 0
    order: dict[str, Any] = {"train": parts}
    stops = 0
    while (code := zygote.run(**order, plants=[["signal_after_next_step"]])[0]) == 143:
        order = {"resume": [parts["out"], None]}
        stops += 1
    assert code == 0
    assert stops == 3 + 3 + 6
    assert final_state(Path(parts["out"])) == final_state(Path(whole["out"]))


@pytest.mark.parametrize("what", ["history", "slots", "optimizers", "synthetic", "real", "metrics"])
def test_without_any_one_part_of_the_checkpoint_the_end_is_another(
    zygote: Zygote, quick_folder: Path, what: str
) -> None:
    whole, parts = settings(quick_folder / "whole"), settings(quick_folder / "parts")
    assert zygote.run(train=whole)[0] == 0
    stop = ["signal_after", "train", 3, signal.SIGTERM]
    assert zygote.run(train=parts, plants=[stop])[0] == 143
    assert zygote.run(resume=[parts["out"], None], plants=[["forget", what]])[0] == 0
    assert final_state(Path(parts["out"])) != final_state(Path(whole["out"]))


def test_steps_may_grow_but_not_shrink(zygote: Zygote, quick_folder: Path) -> None:
    parts = settings(quick_folder, steps=4)
    assert zygote.run(train=parts)[0] == 0
    code, text = zygote.run(resume=[parts["out"], 3])
    assert code == 3
    assert "steps must be at least the run's 4 to resume it, got 3" in text
    before = final_state(Path(parts["out"]))
    assert zygote.run(resume=[parts["out"], None])[0] == 0
    assert final_state(Path(parts["out"])) == before


def test_a_settings_file_edited_by_hand_is_told(zygote: Zygote, quick_folder: Path) -> None:
    parts = settings(quick_folder, steps=4)
    assert zygote.run(train=parts)[0] == 0
    file = Path(parts["out"]) / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "lr": 0.5}))
    code, text = zygote.run(resume=[parts["out"], 6])
    assert code == 0
    assert "Warning: settings changed since the checkpoint: lr: 0.001 -> 0.5" in text
    assert newest(Path(parts["out"])).name == "step-00000006"
