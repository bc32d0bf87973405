"""An ablation that was killed or stopped at any moment ends like one that was not, exactly."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from forked import Zygote, leftovers
from tiny_ablation import comparable, settings, words

# In and between stretches; while run folders, weights, records and checkpoints are written.
PLACES = [
    *(("train.step", nth) for nth in (1, 3, 4, 8)),
    *(("durable.before_fsync", nth) for nth in (1, 2, 4, 9, 40)),
    *(("checkpoint.before_rename", nth) for nth in (1, 5)),
    ("checkpoint.after_rename", 4),
    ("refine.batch", 2),
]


def result(folder: Path) -> dict[str, Any]:
    return comparable(json.loads((folder / "out" / "ablation.json").read_text()))


@pytest.fixture(scope="module")
def uninterrupted(zygote: Zygote, quick_root: Path) -> dict[str, Any]:
    folder = quick_root / "ablation"
    code, text = zygote.run(cli=words(settings(folder / "out")))
    assert code == 0, text
    return result(folder)


@pytest.mark.parametrize(("name", "nth"), PLACES)
def test_killed_at_a_named_place_it_goes_on_to_the_same_numbers(
    zygote: Zygote, quick_folder: Path, uninterrupted: dict[str, Any], name: str, nth: int
) -> None:
    arguments = words(settings(quick_folder / "out"))
    code, text = zygote.run(cli=arguments, env={"SIMGAN_FAILPOINT": f"{name}:kill:{nth}"})
    assert code == -9, f"{name} was not passed {nth} times:\n{text}"
    code, text = zygote.run(cli=arguments)
    assert code == 0, text
    assert result(quick_folder) == uninterrupted
    assert leftovers(quick_folder / "out") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", ["pretrain-refiner", "train"])
def test_a_signal_stops_it_with_a_sentence_and_the_same_command_goes_on(
    zygote: Zygote,
    quick_folder: Path,
    uninterrupted: dict[str, Any],
    phase: str,
    number: signal.Signals,
) -> None:
    arguments = words(settings(quick_folder / "out"))
    code, text = zygote.run(cli=arguments, plants=[["signal_after", phase, 1, number]])
    assert code == 128 + number, text
    assert "the ablation stopped: what is done is saved" in text
    assert "Run the same command again" in text
    code, text = zygote.run(cli=arguments)
    assert code == 0, text
    assert result(quick_folder) == uninterrupted


def test_a_signal_while_estimators_are_trained_stops_it_too(
    zygote: Zygote, quick_folder: Path, uninterrupted: dict[str, Any]
) -> None:
    endless = words(settings(quick_folder / "out", estimator_steps=1_000_000))
    child = zygote.start(cli=endless)
    child.wait_for("estimator, seed 0: 1,000,000 steps")
    child.send(signal.SIGTERM)
    assert child.wait() == 143
    assert "the ablation stopped: what is done is saved" in child.text
    code, text = zygote.run(cli=words(settings(quick_folder / "out")))
    assert code == 0, text
    assert result(quick_folder) == uninterrupted
