"""Sets of an evaluation: what is joined, changed, parted and told before anything is trained."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_evaluate import Ears, angles, eye_images, save, tiny_config

from simgan.engine import evaluate
from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze import to_vectors
from simgan.engine.evaluation.labelled_set import load_sets, split_rows
from simgan.engine.observer import SilentObserver


def test_named_persons_are_held_out_whole_and_stay_others_when_sets_are_joined(
    tmp_path: Path,
) -> None:
    names = np.repeat(["p00", "p01", "p02"], 10)
    a = save(tmp_path / "a.npz", 30, 1, person=names)
    b = save(tmp_path / "b.npz", 30, 2, person=names)
    config = tiny_config(train=[f"x={a}", f"x={b}"])
    arm = load_sets(config, SilentObserver()).arms[0]
    assert arm.persons is not None and len(np.unique(arm.persons)) == 6
    train, held, kind = split_rows(30, names, 0.2, np.arange(30))
    assert set(names[held]) == {"p00"} and len(train) == 20 and kind == "1 persons"


def test_validation_holds_out_whole_persons() -> None:
    persons = np.array([1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4] * 4)
    order = np.random.default_rng(0).permutation(48)
    train, held, kind = split_rows(48, persons, 0.25, order)
    assert sorted([*train, *held]) == list(range(48))
    assert not set(persons[train]) & set(persons[held])
    assert len(held) >= 12 and kind.endswith("persons")
    for known in (None, np.ones(48, int)):
        train, held, kind = split_rows(48, known, 0.25, order)
        assert (len(train), len(held), kind) == (36, 12, "images")


def test_paths_of_one_name_are_joined(tmp_path: Path) -> None:
    a = save(tmp_path / "a.npz", 30, 1, person=np.repeat([1, 2], 15))
    b = save(tmp_path / "b.npz", 20, 2, person=np.repeat([1, 2], 10))
    config = tiny_config(train=[f"mix={a}", f"mix={b}"])
    (arm,) = load_sets(config, SilentObserver()).arms
    assert len(arm) == 50
    assert arm.images.images[37].tolist() == eye_images(20, 2)[7].tolist()
    assert arm.truth[37] == pytest.approx(to_vectors(angles(20, 2)[7]))
    assert arm.persons is not None, "people of two sets are other people"
    assert [len(np.unique(arm.persons[part])) for part in (slice(30), slice(50))] == [2, 4]
    assert evaluate(config).report["arms"][0]["trained_on"] == 40


def test_sets_of_other_ranges_are_not_joined(tmp_path: Path) -> None:
    a = save(tmp_path / "a.npz", images=eye_images(40) // 2)
    b = save(tmp_path / "b.npz", images=eye_images(40))
    with pytest.raises(DataError, match="store their values differently"):
        evaluate(tiny_config(train=[f"m={a}", f"m={b}"], data={"range": "minmax"}))


def test_another_size_and_colour_are_changed_by_a_rule_that_is_told(tmp_path: Path) -> None:
    wide = np.repeat(np.random.default_rng(0).integers(0, 256, (40, 40, 80, 1), np.uint8), 3, 3)
    ears = Ears()
    evaluate(tiny_config(test=save(tmp_path / "a.npz", images=wide)), observer=ears)
    assert any("used as gray 35x55, resized from 40x80 (Lanczos)" in m for m in ears.messages)
    assert any("images of 40x80 are stretched to 35x55" in w for w in ears.warnings)


def test_training_images_among_the_test_images_are_told(tmp_path: Path) -> None:
    both = save(tmp_path / "a.npz")
    ears = Ears()
    evaluate(tiny_config(train=[both], test=both), observer=ears)
    assert "40 test images are also in a: errors on them say nothing" in ears.warnings


def test_labels_follow_images_that_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "eyes"
    folder.mkdir()
    rows = ["file,pitch,yaw"]
    for index, image in enumerate(eye_images(30, 4)):
        Image.fromarray(image[..., 0]).save(folder / f"{index}.png")
        rows.append(f"{index}.png,{index / 100},{-index / 100}")
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "3.png").write_bytes(b"no image")
    ears = Ears()
    sets = load_sets(tiny_config(test=str(folder), data={"max_bad": 0.1}), ears)
    assert len(sets.test) == 29
    assert sets.test.truth[3] == pytest.approx(to_vectors(np.array([0.04, -0.04])), abs=1e-7)
    (warning,) = ears.warnings
    assert warning.startswith("test: left out 1 of 30 images, first: 3.png: ")


def test_units_can_be_told_for_each_set(tmp_path: Path) -> None:
    vectors = save(tmp_path / "a.npz", gaze=to_vectors(angles(40, 1)), seed=1)
    small = save(tmp_path / "b.npz", gaze=np.degrees(angles(40, 2)) / 20, seed=2)
    sets = load_sets(
        tiny_config(train=[f"s={vectors}"], test=small, label_unit="s=vector,test=degrees"),
        SilentObserver(),
    )
    assert sets.arms[0].truth == pytest.approx(to_vectors(angles(40, 1)))
    assert sets.test.truth == pytest.approx(to_vectors(angles(40, 2) / 20))
