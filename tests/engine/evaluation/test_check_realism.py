"""check_realism as a whole: known sets, a run refined on the fly, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_images
from tiny_evaluate import Ears
from tiny_refine import identity_refiner, make_run

from simgan.engine import check_realism
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.realism.config import RealismConfig, realism_config

CAMERA = "procedural:camera?count=120&seed={}"
SYNTHETIC = "procedural:synthetic?count=120&seed=1"
QUICK: dict[str, Any] = {
    "steps": 15, "batch": 16, "seeds": 2, "permutations": 99, "device": "cpu",
    "estimator_steps": 3,
}  # fmt: skip


def check(**changes: Any) -> dict[str, Any]:
    return check_realism({**QUICK, **changes}).report


def test_the_set_that_is_nearer_is_nearer_by_every_figure(tmp_path: Path) -> None:
    ears = Ears()
    found = check_realism(
        {**QUICK, "refined": CAMERA.format(1), "real": CAMERA.format(2), "synthetic": SYNTHETIC,
         "out": str(tmp_path / "out")},
        observer=ears,
    )  # fmt: skip
    report = found.report
    alike, other = report["comparisons"]
    assert (alike["set"], other["set"]) == ("refined", "synthetic")
    assert alike["kid"]["low"] <= 0 <= alike["kid"]["high"] < other["kid"]["low"]
    assert alike["kid"]["p"] > 0.05 and other["kid"]["p"] == 0.01
    assert alike["classifier"]["image_low"] <= 0.5 <= alike["classifier"]["image_high"]
    assert other["classifier"]["image_low"] > 0.5
    assert alike["classifier"]["tested"] == 60
    for name, distance in alike["pixels"].items():
        assert distance < other["pixels"][name] / 2
        assert distance < 3 * report["real_halves"][name]
    assert set(report["statistics"]) == {"refined", "synthetic", "real"}
    assert report["features"]["dimensions"] == 448
    assert json.loads((tmp_path / "out" / "realism.json").read_text()) == report
    assert {file.name for file in found.files} >= {"realism.json"}
    assert any("120 of 120 images 35x55x1" in text for text in ears.messages)
    with pytest.raises(ConfigError, match="already holds a realism check"):
        check(refined=CAMERA.format(1), real=CAMERA.format(2), out=str(tmp_path / "out"))


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    check(refined=CAMERA.format(1), real=CAMERA.format(2), out=str(tmp_path), steps=1, seeds=1)
    assert np.asarray(Image.open(tmp_path / "realism.png")).shape[1] > 800


def test_the_same_seed_gives_the_same_report() -> None:
    sets = {"refined": SYNTHETIC, "real": CAMERA.format(2), "images": 60, "deterministic": True}
    first, again, other = (check(**sets, seed=seed) for seed in (1, 1, 2))
    assert first["comparisons"] == again["comparisons"]
    assert first["comparisons"] != other["comparisons"]


def test_a_run_is_refined_here(tmp_path: Path) -> None:
    for name, seed in (("synthetic", 1), ("real", 2)):
        np.savez(tmp_path / f"{name}.npz", images=tiny_images(80, seed))
    paths = {name: str(tmp_path / f"{name}.npz") for name in ("synthetic", "real")}
    run = make_run(tmp_path, identity_refiner(), height=24, width=28, **paths)
    report = check(run=str(run))
    refined, synthetic = report["comparisons"]
    # A refiner that changes nothing: the two comparisons are one.
    assert refined["kid"] == synthetic["kid"]
    assert refined["pixels"] == synthetic["pixels"]
    assert "refined with" in report["descriptions"]["refined"]
    assert "the run was trained on these real images" in report["notes"]
    with pytest.raises(ConfigError, match="--run brings its own sets; --real cannot go with it"):
        check(run=str(run), real=paths["real"])


def test_features_can_be_those_of_an_estimator() -> None:
    sets = {"refined": CAMERA.format(1), "real": CAMERA.format(2), "synthetic": SYNTHETIC}
    report = check(**sets, features="estimator", steps=1, seeds=1)
    assert report["features"]["dimensions"] == 128
    assert "one fresh discriminator" in " ".join(report["notes"])


def test_copies_are_left_out_and_told(tmp_path: Path) -> None:
    pixels = tiny_images(70, 1)
    np.savez(tmp_path / "twice.npz", images=np.concatenate((pixels, pixels[:9])))
    np.savez(tmp_path / "real.npz", images=tiny_images(60, 2))
    ears = Ears()
    sets = {"refined": str(tmp_path / "twice.npz"), "real": str(tmp_path / "real.npz")}
    found = check_realism({**QUICK, **sets, "steps": 1, "seeds": 1}, observer=ears)
    assert found.report["comparisons"][0]["images"] == [70, 60]
    assert any("9 of 79 images are copies of others" in text for text in ears.warnings)


def test_sets_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", images=tiny_images(49, 1))
    np.savez(tmp_path / "small.npz", images=tiny_images(60, 2))
    few, small = str(tmp_path / "few.npz"), str(tmp_path / "small.npz")
    with pytest.raises(DataError, match="the refined set has 49 different images"):
        check(refined=few, real=small)
    with pytest.raises(DataError, match=r"refined images are 1x24x28, real images are 1x35x55"):
        check(refined=small, real=CAMERA.format(1))
    with pytest.raises(DataError, match="60 images are in the refined set and in the real set"):
        check(refined=small, real=small)
    with pytest.raises(DataError, match=r"nowhere.* does not exist"):
        check(refined=str(tmp_path / "nowhere"), real=small)
    with pytest.raises(DataError, match="no gaze labels"):
        check(refined=CAMERA.format(1), real=CAMERA.format(2), synthetic=small,
              features="estimator", data={"size": "35x55"})  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "--refined is missing"),
        ({"refined": "a"}, "--real is missing"),
        ({"refined": "a", "real": "b", "checkpoint": "best"}, "--checkpoint is of a run"),
        ({"refined": "a", "real": "b", "features": "estimator"}, "needs --synthetic"),
    ],
)
def test_sets_that_are_missing_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        realism_config(values).check_sets()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"features": "inception"}, r"features must be random, estimator or a \.pt2 file"),
        ({"checkpoint": "old"}, "checkpoint must be best or newest, got 'old'"),
        ({"images": 10}, "images must be between 50 and 50000"),
        ({"label_unit": "turns"}, "label_unit must be auto"),
        ({"feature": "random"}, "Did you mean features"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        realism_config(values)
    assert realism_config({"data": {"limit": 3}}).data.limit == 3
    assert isinstance(realism_config(), RealismConfig)
