"""Whole label checks: known moves, sets of every kind, runs, files, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moved_eyes import moved_irises
from PIL import Image
from tiny_evaluate import Ears
from tiny_refine import identity_refiner, make_run, random_refiner, refine_here

from simgan.engine import check_labels
from simgan.engine.errors import CheckpointError, ConfigError, DataError
from simgan.engine.evaluation.label_check import measures, worst_sheet
from simgan.engine.evaluation.label_check.config import MEASURES

EYES = "procedural:synthetic?count=30&seed=5"
QUICK: dict[str, Any] = {
    "device": "cpu",
    "resamples": 100,
    "estimator_steps": 4,
    "estimator_batch": 8,
}


def check(**settings: Any) -> Any:
    return check_labels({**QUICK, **settings})


def eyes(move: tuple[float, float] = (0.0, 0.0), count: int = 30) -> np.ndarray:
    return moved_irises("synthetic", count, 5, move).images()


def save_pair(folder: Path, refined: np.ndarray, **labels: Any) -> dict[str, str]:
    np.savez(folder / "a.npz", images=eyes(count=len(refined)), **labels)
    np.savez(folder / "b.npz", images=refined)
    return {"synthetic": str(folder / "a.npz"), "refined": str(folder / "b.npz")}


def test_every_measure_sees_the_move_of_an_iris(tmp_path: Path) -> None:
    gaze = moved_irises("synthetic", 90, 5, (0, 0)).labels["gaze"]
    found = check(**save_pair(tmp_path, eyes((2, 0), 90), gaze=gaze), estimator_steps=30).report
    assert list(found["measures"]) == list(MEASURES) and found["skipped"] == {}
    pupil = found["measures"]["pupil"]
    assert pupil["median"]["value"] == pytest.approx(2, abs=0.2)
    assert pupil["mean_x"]["value"] == pytest.approx(2, abs=0.2)
    assert pupil["mean_y"]["value"] == pytest.approx(0, abs=0.2)
    assert found["measures"]["points"]["name"] == "grid"
    assert 0.2 < found["measures"]["points"]["mean"]["value"] < 2
    assert found["measures"]["flow"]["p99"]["median"]["value"] > 1
    assert found["measures"]["edges"]["correlation"]["median"]["value"] < 0.9
    assert found["measures"]["estimator"]["change"]["value"] > 1


def test_equal_images_have_moved_by_nothing() -> None:
    found = check(synthetic=EYES, refined=EYES, max_shift=0.0)
    measured = found.report["measures"]
    assert found.failures == [] and found.files == []
    assert measured["points"]["name"] == "pupil_center"
    assert measured["points"]["p95"]["value"] < 1e-6 and measured["pupil"]["p95"]["value"] == 0
    assert measured["pupil"]["fit_error"]["median"]["value"] < 0.2
    assert measured["flow"]["p99"]["p95"]["value"] < 1e-3
    assert measured["edges"]["overlap"]["p5"]["value"] == 1


def test_limits_are_sentences_about_the_median(tmp_path: Path) -> None:
    pair = save_pair(tmp_path, eyes((2, 0)))
    found = check(**pair, measure="pupil", max_shift=1.1)
    assert len(found.failures) == 1 and found.report["failures"] == found.failures
    assert found.failures[0].startswith("the pupil's centre moved by 2.0")
    assert found.failures[0].endswith("px in the median, more than 1.1 px")
    assert check(**pair, measure="pupil", max_shift=2.5).failures == []


def test_values_and_pictures_lie_in_the_folder(tmp_path: Path) -> None:
    found = check(**save_pair(tmp_path, eyes((2, 0))), out=str(tmp_path / "out"))
    assert [file.name for file in found.files] == ["shifts.npz", "worst.png", "check.json"]
    assert json.loads(found.files[2].read_text()) == json.loads(json.dumps(found.report))
    with np.load(found.files[0]) as arrays:
        assert arrays["pupil_shift"].shape == (30, 2) and arrays["flow"].shape == (30, 3)
        assert np.nanmedian(arrays["pupil_shift"][:, 0]) == pytest.approx(2, abs=0.2)
        assert arrays["point_shift"].shape[2:] == (2,)
    pixels = np.asarray(Image.open(found.files[1])).reshape(-1, 3)
    for mark in (worst_sheet.BEFORE, worst_sheet.AFTER):
        assert (pixels == mark).all(axis=1).any(), "ellipses and points are drawn"
    with pytest.raises(ConfigError, match="already holds a label check"):
        check(synthetic=EYES, refined=EYES, out=str(tmp_path / "out"))


def test_the_worst_come_first_and_the_unmeasured_not_at_all() -> None:
    badness = np.array([1.0, np.nan, 5.0, 3.0])
    found = measures.Measured({}, "", badness, {})
    assert worst_sheet._worst(found) == [2, 3, 0]


def test_a_refined_folder_pairs_by_name_whatever_the_suffix(tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder, suffix in zip(folders, (".bmp", ".png"), strict=True):
        folder.mkdir()
        for index, image in enumerate(eyes()):
            Image.fromarray(image[..., 0]).save(folder / f"{index:02d}{suffix}")
    (folders[1] / "29.png").unlink()
    ears = Ears()
    found = check_labels(
        {**QUICK, "synthetic": str(folders[0]), "refined": str(folders[1]), "measure": ["edges"]},
        observer=ears,
    ).report
    assert found["pairs"]["by"] == "name" and found["pairs"]["compared"] == 29
    assert ears.warnings == ["1 synthetic images have no refined partner: left out"]
    assert found["measures"]["edges"]["correlation"]["p5"]["value"] == pytest.approx(1)


def test_a_sample_is_drawn_by_seed() -> None:
    def names(seed: int) -> list[str]:
        found = check(synthetic=EYES, refined=EYES, sample=12, seed=seed, measure="edges")
        return list(found.arrays["names"])

    assert names(1) == names(1) != names(2)
    assert len(set(names(1))) == 12


@pytest.mark.parametrize(
    ("refined", "sentence"),
    [
        ("procedural:synthetic?count=30&seed=5&height=70&width=110",
         "is 35x55 in the synthetic set and 70x110 in the refined one"),
        ("procedural:synthetic?count=4&seed=5", "there are 4 pairs to compare, at least 10"),
        (np.zeros((29, 35, 55), np.uint8), "30 images and the refined one 29; arrays pair by"),
        (np.zeros((30, 35, 55, 3), np.uint8), "is gray in the synthetic set and colour in the"),
    ],
    ids=["size", "few", "count", "colour"],
)  # fmt: skip
def test_sets_that_do_not_fit_are_refused(
    refined: str | np.ndarray, sentence: str, tmp_path: Path
) -> None:
    synthetic = EYES
    if isinstance(refined, np.ndarray):
        np.savez(tmp_path / "b.npz", images=refined)
        np.savez(tmp_path / "a.npz", images=eyes())
        synthetic, refined = str(tmp_path / "a.npz"), str(tmp_path / "b.npz")
    with pytest.raises(DataError, match=sentence):
        check(synthetic=synthetic, refined=refined)


def test_a_measure_without_labels_is_left_out_unless_it_was_asked_for(tmp_path: Path) -> None:
    pair = save_pair(tmp_path, eyes())
    found = check(**pair, max_shift=1)
    assert found.report["skipped"]["estimator"].startswith("no gaze labels; the set has no labels")
    with pytest.raises(DataError, match="no gaze labels"):
        check(**pair, measure="estimator")
    with pytest.raises(DataError, match="the set has no label 'eye'"):
        check(**pair, measure=["points"], points="eye")


def test_what_holds_no_eyes_has_no_pupils(tmp_path: Path) -> None:
    flat = np.full((20, 35, 55), 90, np.uint8)
    np.savez(tmp_path / "a.npz", images=flat)
    pair = {"synthetic": str(tmp_path / "a.npz"), "refined": str(tmp_path / "a.npz")}
    with pytest.raises(DataError, match="an iris was found in both images of 0 pairs only, of 20"):
        check(**pair, max_shift=1)
    found = check(**pair).report
    assert set(found["skipped"]) == {"pupil", "points", "estimator"}
    assert any("are these the same images?" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"synthetic": EYES}, "--synthetic is given alone"),
        ({"synthetic": EYES, "refined": EYES, "run": "x"}, "--run and --synthetic exclude"),
        ({"measure": "nose"}, "measure must be one of pupil, points"),
        ({"measure": "flow", "max_shift": 1}, "max_shift is a limit of the measure pupil"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check(**settings)


def test_a_run_is_refined_on_the_fly_as_refine_would(tmp_path: Path) -> None:
    run = make_run(tmp_path, random_refiner(), synthetic=EYES)
    fresh = check(run=str(run), measure="edges", sample=12)
    assert fresh.report["pairs"]["refined"]["format"] == "refined on the fly"
    assert not (run / "refined").exists()
    refine_here(run, EYES, run / "refined")
    stored = check(run=str(run), measure="edges", sample=12)
    assert stored.report["pairs"]["refined"]["location"] == str(run / "refined")
    assert stored.report["measures"] == fresh.report["measures"]


def test_a_run_that_changes_nothing_moves_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "eyes.npz", eyes_x=eyes(), other_x=eyes(), eyes_y=np.zeros((30, 2)))
    place = f"{tmp_path / 'eyes.npz'}#eyes_x"
    run = make_run(tmp_path, identity_refiner(), synthetic=place)
    refine_here(run, place, run / "refined")
    found = check(run=str(run), measure=["pupil", "edges"]).report
    assert found["pairs"]["by"] == "place"
    assert found["pairs"]["refined"]["location"].endswith("refined/eyes.npz#eyes_x")
    assert found["measures"]["pupil"]["p95"]["value"] == 0


def test_a_refined_set_of_other_weights_is_told_of(tmp_path: Path) -> None:
    run = make_run(tmp_path, identity_refiner(), synthetic=EYES)
    refine_here(run, EYES, run / "refined")
    summary = run / "refined" / "manifest.json"
    value = json.loads(summary.read_text())
    value["made_with"]["checkpoint"], value["complete"] = "other", False
    summary.write_text(json.dumps(value))
    ears = Ears()
    check_labels({**QUICK, "run": str(run), "measure": "edges"}, observer=ears)
    assert any("is not complete" in text for text in ears.warnings)
    assert any("was not made with the newest checkpoint" in text for text in ears.warnings)


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        check(run=str(tmp_path / "none"))
