"""An ablation from settings to files: what is done is not done again, and what is wrong is said."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_ablation import Calls, comparable, settings
from tiny_evaluate import Ears

from simgan.engine import ablate
from simgan.engine.checkpoint import load_checkpoint
from simgan.engine.config import train_config
from simgan.engine.durable import digest
from simgan.engine.errors import (
    ConfigError,
    DivergedError,
)
from simgan.engine.evaluation.ablation import refiners
from simgan.engine.evaluation.ablation.ablation import prepare
from simgan.engine.evaluation.ablation.config import ablate_config, estimator_config
from simgan.engine.evaluation.ablation.records import Folder
from simgan.engine.evaluation.ablation.sets import load_sets, part_rows
from simgan.engine.evaluation.evaluation import evaluate
from simgan.engine.observer import SilentObserver
from simgan.engine.refining import refine
from simgan.engine.trainer import train


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def test_the_report_has_every_arm_look_and_seed(tmp_path: Path, calls: Calls) -> None:
    found = ablate(settings(tmp_path / "out", arms="history,k-g,data", seeds=2))
    report = found.report
    assert report == json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == ["base", "no-history", "k_g-50", "data-1x"]
    assert [arm["steps"] for arm in report["arms"]] == [2, 2, 1, 2]
    for arm in report["arms"]:
        assert [row["seed"] for row in arm["seeds"]] == [0, 1]
        for row in arm["seeds"]:
            assert len(row["looks"]) == len(arm["looks"])
            for look in row["looks"]:
                assert look["mean_abs_change"] > 0 and look["self_regularization"] > 0
                assert 0 <= look["d_accuracy_real"] <= 1 and 0 <= look["d_accuracy_refined"] <= 1
        finals = [row["looks"][-1]["error"] for row in arm["seeds"]]
        assert arm["mean"]["value"] == pytest.approx(np.mean(finals))
        assert arm["spread"] == pytest.approx(np.std(finals, ddof=1))
    assert [row["parts"] for row in report["unrefined"]] == [1, 4]
    images = {arm["name"]: arm["seeds"][0]["looks"][-1]["images"] for arm in report["arms"]}
    assert (images["base"], images["data-1x"]) == (24, 20)
    assert {file.name for file in found.files} == {
        *("ablation.json", "ablation.md", "ablation.png", "stability.png")
    }


def test_figures_show_something(tmp_path: Path, calls: Calls) -> None:
    ablate(settings(tmp_path, arms="history,lambda"))
    for name in ("ablation.png", "stability.png"):
        image = Image.open(io.BytesIO((tmp_path / name).read_bytes())).convert("RGB")
        assert image.width >= 1000 and image.height >= 400, name
        red, _, blue = np.asarray(image).reshape(-1, 3).astype(int).T
        blue = blue - red > 60
        assert blue.sum() > 500, f"the base is not in {name}"
    text = (tmp_path / "ablation.md").read_text()
    assert "| lambda 0.03 | " in text and "one seed: no interval" in text


def test_what_is_done_is_not_done_again(tmp_path: Path, calls: Calls) -> None:
    first = ablate(settings(tmp_path, seeds=2)).report
    assert calls.trained == [
        *("base-seed0", "base-seed0 to 2", "no-history-seed0", "no-history-seed0 to 2"),
        *("base-seed1", "base-seed1 to 2", "no-history-seed1", "no-history-seed1 to 2"),
    ]
    assert len(calls.estimated) == 2 + 2 * 2 * 2  # unrefined, and arms * seeds * looks
    held = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    calls.forget()
    again = ablate(settings(tmp_path, seeds=2)).report
    assert (calls.trained, calls.estimated) == ([], [])
    assert comparable(again) == comparable(first)
    assert held == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}


def test_more_arms_and_seeds_reuse_the_runs_there_are(tmp_path: Path, calls: Calls) -> None:
    ablate(settings(tmp_path))
    calls.forget()
    ablate(settings(tmp_path, seeds=2, arms="lambda", lambdas="0.3,3"))
    assert calls.trained == [
        *("lambda-3-seed0", "lambda-3-seed0 to 2"),
        *("base-seed1", "base-seed1 to 2", "lambda-3-seed1", "lambda-3-seed1 to 2"),
    ]


def test_another_measurement_trains_no_refiner_and_forgets_none(
    tmp_path: Path, calls: Calls
) -> None:
    first = ablate(settings(tmp_path)).report
    calls.forget()
    ablate(settings(tmp_path, estimator_seeds=2))
    assert calls.trained == [] and set(calls.estimated) == {1}, "seed 0 was known"
    calls.forget()
    ablate(settings(tmp_path, estimator_steps=3))
    assert calls.trained == [] and calls.estimated == [0] * 5
    calls.forget()
    assert comparable(ablate(settings(tmp_path)).report) == comparable(first)
    assert calls.estimated == []


def test_a_run_in_stretches_is_the_run_in_one_piece(tmp_path: Path, calls: Calls) -> None:
    values = settings(tmp_path / "out", steps=4, looks=3)
    ablate(values)
    whole = {name: value for name, value in values.items() if hasattr(train_config(), name)}
    train({**whole, "out": str(tmp_path / "whole"), "keep": 1, "checkpoint_every": 100})
    ends = [place / "checkpoints" / "step-00000004" for place in (
        tmp_path / "out" / "runs" / "base-seed0", tmp_path / "whole")]  # fmt: skip
    ours, theirs = (load_checkpoint(end).tensors for end in ends)
    for file in ("refiner", "discriminator", "optim_r", "optim_d", "history"):
        for name, tensor in theirs[file].items():
            assert (ours[file][name] == tensor).all(), (file, name)


def test_an_error_is_what_refine_and_evaluate_find(tmp_path: Path) -> None:
    """The same number by the commands a user would type, with nothing of the ablation."""
    values = settings(tmp_path / "out", sample=None, looks=1, arms="lambda", lambdas="3")
    report = ablate(values).report
    run = tmp_path / "out" / "runs" / "lambda-3-seed0"
    refine({"run": str(run), "output": str(tmp_path / "r.npz"), "format": "npz", "device": "cpu"})
    found = evaluate(
        {"train": str(tmp_path / "r.npz"), "test": values["test"], "size": "small", "steps": 2,
         "batch": 4, "seeds": 1, "resamples": 100, "baselines": False, "device": "cpu",
         "deterministic": True, "label_unit": "radians"}
    ).report  # fmt: skip
    error = report["arms"][1]["seeds"][0]["looks"][-1]["error"]
    assert error == pytest.approx(found["arms"][0]["mean"]["value"], abs=1e-4)
    plain = evaluate(
        {"train": values["synthetic"], "test": values["test"], "size": "small", "steps": 2,
         "batch": 4, "seeds": 1, "resamples": 100, "baselines": False, "device": "cpu",
         "deterministic": True}
    ).report  # fmt: skip
    unrefined = report["unrefined"][0]["errors"][0]
    assert unrefined == pytest.approx(plain["arms"][0]["mean"]["value"], abs=1e-4)


def test_an_arm_that_diverges_is_told_and_the_others_go_on(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = refiners.train

    def diverging(config: Any, **named: Any) -> Any:
        if not config.history:
            raise DivergedError("the refiner became non-finite")
        return real(config, **named)

    monkeypatch.setattr(refiners, "train", diverging)
    ears = Ears()
    report = ablate(settings(tmp_path), observer=ears).report
    base, lost = report["arms"]
    assert base["mean"] is not None and (lost["mean"], lost["against_base"]) == (None, None)
    assert "no history, seed 0 is missing: the refiner became non-finite" in report["notes"]
    assert any("the ablation goes on without it" in text for text in ears.warnings)
    assert "| no history | failed |" in (tmp_path / "ablation.md").read_text()


def test_a_run_that_stops_by_itself_is_refused(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiners, "resume", lambda path, **named: None)
    with pytest.raises(ConfigError, match="base, seed 0 stopped by itself at step-00000001"):
        ablate(settings(tmp_path))


def test_the_plan_tells_what_is_done_and_how_long_the_rest_takes(
    tmp_path: Path, calls: Calls
) -> None:
    config = ablate_config(settings(tmp_path / "out"))
    plan, before = prepare(config)
    assert (before.runs, before.trained, before.seconds) == (2, 0, None)
    assert not (tmp_path / "out").exists(), "a plan writes nothing"
    ablate(config)
    assert prepare(config)[1].seconds == 0.0
    more = prepare(ablate_config(settings(tmp_path / "out", seeds=2)))[1]
    looks = [Folder(tmp_path / "out").record(run.name).looks.values() for run in plan.runs]
    trained = sum(look["seconds"] for of_run in looks for look in of_run)
    # As much again as before: the same work, and five estimators of half a second.
    assert (more.runs, more.trained) == (4, 2)
    assert more.seconds == pytest.approx(trained + 5 * 0.5)


def test_a_part_of_the_set_is_spread_over_it_and_keeps_its_labels(tmp_path: Path) -> None:
    sets = load_sets(ablate_config(settings(tmp_path)), SilentObserver())
    assert part_rows(10, 4).tolist() == [0, 4, 8]
    assert sets.rows(4, None).tolist() == list(range(0, 88, 4))
    assert sets.rows(1, 44).tolist() == list(range(0, 88, 2))
    assert len(sets.rows(4, 84)) == 21


def test_a_refiner_of_a_part_sees_that_part_alone(tmp_path: Path, calls: Calls) -> None:
    ablate(settings(tmp_path, arms="data"))
    part = np.load(tmp_path / "data" / "synthetic-1-of-4.npz")
    sets = load_sets(ablate_config(settings(tmp_path)), SilentObserver())
    assert (part["images"] == sets.synthetic.images[::4]).all()
    angles = np.stack([part["pitch_rad"], part["yaw_rad"]], axis=1)
    assert np.allclose(angles, sets.synthetic.labels["gaze"][::4], atol=1e-6)
    state = load_checkpoint(tmp_path / "runs/data-1x-seed0/checkpoints/step-00000002").state
    assert state["config"]["synthetic"] == str(tmp_path / "data" / "synthetic-1-of-4.npz")


def test_color_images_of_another_size_are_brought_to_the_estimators(
    tmp_path: Path, calls: Calls
) -> None:
    values = settings(tmp_path / "out", arms="psi", data={"channels": "rgb"})
    values["synthetic"] += "&height=28&width=44"
    values["real"] += "&height=28&width=44"
    report = ablate(values).report
    assert [arm["name"] for arm in report["arms"]] == [
        *("base", "psi-derivative", "psi-mean-channel")
    ]
    kept = tmp_path / "out" / "weights" / "base-seed0" / "step-00000002.safetensors"
    record = Folder(tmp_path / "out").record("base-seed0")
    assert digest(kept.read_bytes()) == record.looks["2"]["weights"]


def test_matched_labels_hold_for_refiners_and_estimators_also_of_a_part(
    tmp_path: Path, calls: Calls
) -> None:
    ranges = "pitch=-20..15,yaw=-25..25"
    values = settings(tmp_path / "a", arms="data", match_labels=ranges, sample=None)
    values["synthetic"] = "procedural:synthetic?count=240&seed=1"
    ablate(values)
    for run in ("base-seed0", "data-1x-seed0"):
        assert (tmp_path / "a" / "runs" / run / "label-match.npz").is_file()
    assert estimator_config(ablate_config(values)).match_labels == ranges
    estimated = ablate_config({**values, "match_labels": "estimate"})
    assert estimator_config(estimated).match_labels is None
    with pytest.raises(ConfigError, match="a file of weights is for all synthetic images"):
        ablate({**values, "out": str(tmp_path / "b"), "match_labels": "weights.npy"})
