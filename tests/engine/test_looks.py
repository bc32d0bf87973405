"""Looks: training does not feel them, the best checkpoint is kept, a resume decides the same."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import assert_same_run, assert_same_state, metric_rows
from tiny import TINY, poison_a_weight, tiny_images
from tiny_evaluate import Ears
from tiny_refine import refine_here

from simgan.engine import looks, setup
from simgan.engine.best_checkpoint import read_best, write_best
from simgan.engine.checkpoint import checkpoints
from simgan.engine.config import TrainConfig, train_config
from simgan.engine.errors import CheckpointError, ConfigError, DataError, Interrupted
from simgan.engine.evaluation.realism.images import random_rows, sample
from simgan.engine.refiner import Refiner
from simgan.engine.session import Session
from simgan.engine.trainer import RunResult, resume, train


def config_of(folder: Path, **changes: Any) -> TrainConfig:
    """A tiny run on 60 images of each set, looking every 2 of 12 steps."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for seed, kind in enumerate(("synthetic", "real")):
        paths[kind] = str(folder / f"{kind}.npz")
        np.savez(paths[kind], images=tiny_images(60, seed))
    values = {
        **TINY, **paths, "out": str(folder / "run"), "steps": 12, "stop_on": "kid",
        "stop_every": 2, "stop_images": 50, "stop_steps": 2, "patience": 99, "checkpoint_every": 6,
    }  # fmt: skip
    return train_config({**values, **changes})


class Scripted:
    """A figure whose values are known beforehand: one for the unrefined images, then the looks."""

    values: list[float]

    def __init__(self, config: TrainConfig, synthetic: Any, *_: Any) -> None:
        self.synthetic = sample(synthetic, random_rows(len(synthetic), 50, 0), _[1].device)

    def measure(self, refined: Any, between: Callable[[], None]) -> tuple[float, dict[str, float]]:
        value = self.values.pop(0)
        return value, {"kid": value}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets the values that looks will find."""

    def set_values(*values: float) -> None:
        Scripted.values = [9.0, *values]

    monkeypatch.setattr(setup, "build_figure", Scripted)
    yield set_values


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """A signal comes when a step of Algorithm 1 is done, once."""
    real = Session._housekeeping

    def signalled(self: Session, total: int) -> None:
        place = self.training.place
        if (place.phase, place.step) == (2, step):
            self.stop.requested = signal.SIGTERM
        real(self, total)

    monkeypatch.setattr(Session, "_housekeeping", signalled)


def best_of(result: RunResult | Path) -> dict[str, Any]:
    run = result if isinstance(result, Path) else result.run
    found: dict[str, Any] = json.loads((run / "checkpoints" / "best.json").read_bytes())
    return found


@pytest.mark.parametrize("figure", ["kid", "classifier"])
def test_training_is_the_same_to_the_bit_with_looks_and_without(
    tmp_path: Path, figure: str
) -> None:
    changes = {"stop_every": 3, "log_every": 3, "stop_steps": 15}
    without = train(config_of(tmp_path / "a", stop_on="none", **changes))
    looked = train(config_of(tmp_path / "b", stop_on=figure, **changes))
    assert_same_state(looked, without)
    rows = [
        {name: value for name, value in row.items() if not name.startswith(figure)}
        for row in metric_rows(looked.run)
    ]
    assert rows == metric_rows(without.run)
    measured = [row[figure] for row in metric_rows(looked.run) if figure in row]
    assert len(measured) == 4 and len(set(measured)) > 1
    assert best_of(looked)["figure"] == figure


def test_a_run_stops_when_looks_get_no_better_and_keeps_its_best(
    tmp_path: Path, script: Callable[..., None]
) -> None:
    script(5.0, 3.0, 4.0, 3.5, 1.0)
    ears = Ears()
    result = train(config_of(tmp_path, patience=2, keep=1), observer=ears)
    assert (result.steps, result.checkpoint.name) == (8, "step-00000008")
    assert result.best == result.run / "checkpoints" / "step-00000004"
    assert [path.name for path in checkpoints(result.run / "checkpoints")] == [
        "step-00000004",
        "step-00000008",
    ]
    assert best_of(result) == {
        "checkpoint": "step-00000004", "step": 4, "figure": "kid", "value": 3.0,
        "unrefined": 9.0, "stopped": 8,
    }  # fmt: skip
    said = (
        "stopped after step 8, because 2 looks in a row were no better; "
        "the best KID was 3 at step 4 (unrefined images: 9)"
    )
    assert result.verdict == said
    assert any(text.startswith(said + "; the looks took") for text in ears.messages)
    again = resume(result.run)
    assert (again.steps, again.best, again.verdict) == (8, result.best, said)


def test_more_patience_goes_on_where_the_rule_ended_the_run(
    tmp_path: Path, script: Callable[..., None]
) -> None:
    script(5.0, 3.0, 4.0, 3.5, 1.0, 2.0)
    run = train(config_of(tmp_path, patience=2)).run
    result = resume(run, patience=3)
    assert (result.steps, best_of(result)["step"], best_of(result)["stopped"]) == (12, 10, None)
    assert json.loads((run / "config.json").read_text())["patience"] == 3


def test_patience_is_refused_where_no_rule_is(tmp_path: Path) -> None:
    run = train(config_of(tmp_path, stop_on="none", steps=2)).run
    with pytest.raises(ConfigError, match="patience is for runs with stop_on"):
        resume(run, patience=3)


def test_a_run_that_gets_better_runs_to_its_end(
    tmp_path: Path, script: Callable[..., None]
) -> None:
    script(5.0, 4.0, 3.0, 2.0, 1.0, 0.5)
    result = train(config_of(tmp_path, patience=1, keep=1))
    assert (result.steps, best_of(result)["step"]) == (12, 12)
    assert best_of(result)["stopped"] is None
    assert [path.name for path in checkpoints(result.run / "checkpoints")] == ["step-00000012"]


def test_looks_begin_where_they_are_told_to(tmp_path: Path, script: Callable[..., None]) -> None:
    script(5.0, 4.0)
    result = train(config_of(tmp_path, stop_start=9))
    looked = [row["step"] for row in metric_rows(result.run) if "kid" in row]
    assert looked == [10, 12]


@pytest.mark.parametrize("step", [3, 4, 5, 8, 12])
def test_a_run_that_was_stopped_and_resumed_decides_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    whole = train(config_of(tmp_path / "whole"))
    config = config_of(tmp_path / "parts")
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        with pytest.raises(Interrupted):
            train(config)
    rows = metric_rows(tmp_path / "parts" / "run")
    assert not any(row.get("step") == step and "kid" in row for row in rows), "it gave way at once"
    parts = resume(tmp_path / "parts" / "run")
    assert_same_run(parts, whole)
    assert best_of(parts) == best_of(whole)
    states = [json.loads((r.checkpoint / "state.json").read_bytes()) for r in (parts, whole)]
    stopping = [state.get("stopping") for state in states]
    assert step == 12 or stopping[0] == stopping[1]


def test_a_kill_before_the_best_is_named_is_mended_by_a_resume(
    tmp_path: Path, script: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(5.0, 3.0)
    config = config_of(tmp_path, patience=2, keep=1)
    with monkeypatch.context() as patch:
        patch.setenv("SIMGAN_FAILPOINT", "checkpoint.best:raise:2")
        patch.setattr("simgan.engine.failpoints._passed", {})
        with pytest.raises(RuntimeError, match="injected"):
            train(config)
    run = tmp_path / "run"
    assert best_of(run)["step"] == 2
    assert (run / "checkpoints" / "step-00000002").is_dir(), "what is named is never pruned first"
    script(4.0, 4.0)
    del Scripted.values[0]  # the state knows what the unrefined images had
    result = resume(run)
    assert (result.steps, best_of(result)["step"], best_of(result)["stopped"]) == (8, 4, 8)


def test_a_best_that_could_not_be_saved_is_not_the_best(
    tmp_path: Path, script: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(5.0, 1.0, 4.0, 6.0, 6.0, 6.0)
    # Saves before the look at step 4: the beginning of each phase, and step 2.
    monkeypatch.setenv("SIMGAN_FAILPOINT", "checkpoint.write.state.json:enospc:5")
    monkeypatch.setattr("simgan.engine.failpoints._passed", {})
    ears = Ears()
    changes = {"checkpoint_every": 100, "patience": 99}
    result = train(config_of(tmp_path, **changes), observer=ears)
    assert any("cannot write checkpoint step 4" in text for text in ears.warnings)
    assert (best_of(result)["step"], best_of(result)["value"]) == (6, 4.0)


def test_a_rollback_goes_back_to_what_was_known_then(
    tmp_path: Path, script: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(5.0, 6.0, 4.0, 7.0, 8.0, 8.0, 8.0)
    poison_a_weight(monkeypatch, 6)
    result = train(config_of(tmp_path))
    best = best_of(result)
    looked = [row["step"] for row in metric_rows(result.run) if "kid" in row]
    assert looked == [2, 4, 6, 8, 10, 12], "the looks after the rollback, once each"
    assert (result.run / "checkpoints" / best["checkpoint"]).is_dir()
    assert best["value"] == min(row["kid"] for row in metric_rows(result.run) if "kid" in row)


def test_a_best_checkpoint_that_is_gone_is_told(
    tmp_path: Path, script: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(1.0, 2.0, 2.0)
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(Interrupted):
            train(config_of(tmp_path))
    run = tmp_path / "run"
    shutil.rmtree(run / "checkpoints" / "step-00000002")
    with pytest.raises(CheckpointError, match="step-00000002, which is not there"):
        read_best(run / "checkpoints")
    Scripted.values = [9.0, 3.0, 4.0, 4.0, 4.0]
    ears = Ears()
    result = resume(run, observer=ears)
    assert any("step-00000002, is not there any more" in text for text in ears.warnings)
    assert best_of(result)["step"] == 6


def test_refine_takes_the_best_unless_told_otherwise(
    tmp_path: Path, script: Callable[..., None]
) -> None:
    script(5.0, 3.0, 4.0, 3.5)
    run = train(config_of(tmp_path, patience=2)).run
    data = str(tmp_path / "synthetic.npz")
    used = {}
    for which in (None, "best", "newest"):
        ears = Ears()
        output = tmp_path / f"refined-{which}"
        refine_here(run, data, output, progress=ears, checkpoint=which)
        used[which] = next(text for text in ears.messages if text.startswith("refining"))
    for which in (None, "best"):
        assert "step-00000004 (the best of the run: KID 3; --checkpoint newest" in used[which]
    assert used["newest"].endswith("step-00000008")
    best = Refiner.load(run / "checkpoints" / "step-00000004").state_dict()
    newest = Refiner.load(run / "checkpoints" / "step-00000008").state_dict()
    for name, weight in Refiner.load(run).state_dict().items():
        assert torch.equal(weight, best[name])
    assert any(not torch.equal(best[name], newest[name]) for name in best)
    (run / "checkpoints" / "best.json").unlink()
    with pytest.raises(CheckpointError, match="has no best checkpoint"):
        refine_here(run, data, tmp_path / "no", checkpoint="best")
    with pytest.raises(ConfigError, match="--run and --checkpoint DIR exclude each other"):
        refine_here(run, data, tmp_path / "no", checkpoint="elsewhere")


@pytest.mark.parametrize("text", ["", "[]", '{"checkpoint": "x"}', "{"])
def test_a_damaged_best_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(CheckpointError, match="is damaged"):
        read_best(tmp_path)


def test_a_best_file_names_no_place_outside(tmp_path: Path) -> None:
    best = looks.Best("../elsewhere", 2, "kid", 1.0, None, None)
    write_best(tmp_path, best)
    with pytest.raises(CheckpointError, match="names no checkpoint"):
        read_best(tmp_path)
    assert read_best(tmp_path / "nowhere") is None


def test_too_few_images_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", images=tiny_images(49, 7))
    config = config_of(tmp_path, real=str(tmp_path / "few.npz"))
    with pytest.raises(ConfigError, match=r"stop_on kid needs at least 50 real images"):
        train(config)
    assert not (tmp_path / "run").exists()


def eyes_config(folder: Path, **changes: Any) -> TrainConfig:
    return config_of(
        folder,
        **{
            "synthetic": "procedural:synthetic?count=60&seed=1",
            "real": "procedural:camera?count=60&seed=2",
            "stop_on": "task",
            "stop_task_set": "procedural:camera?count=30&seed=3",
            "stop_every": 2,
            "steps": 4,
            **changes,
        },
    )


def test_a_task_is_an_estimator_of_refined_images_on_labelled_real_ones(tmp_path: Path) -> None:
    result = train(eyes_config(tmp_path / "a"))
    errors = [row["task"] for row in metric_rows(result.run) if "task" in row]
    assert len(errors) == 2 and all(1 < error < 90 for error in errors)
    assert result.verdict is not None and "degrees at step" in result.verdict
    without = train(eyes_config(tmp_path / "b", stop_on="none", stop_task_set=None))
    assert_same_state(result, without)


def test_a_task_without_labels_or_with_other_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", images=np.random.default_rng(0).integers(
        0, 256, (60, 35, 55, 1), np.uint8))  # fmt: skip
    with pytest.raises(DataError, match="stop_on task: no gaze labels"):
        train(eyes_config(tmp_path, synthetic=str(tmp_path / "bare.npz")))
    with pytest.raises(ConfigError, match="needs gray images of 35x55, these are 1x24x28"):
        train(eyes_config(tmp_path, synthetic=str(tmp_path / "synthetic.npz"),
                          real=str(tmp_path / "real.npz")))  # fmt: skip
    assert not (tmp_path / "run").exists()
