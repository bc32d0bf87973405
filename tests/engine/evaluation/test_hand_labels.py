"""Which labels are the joints of hands, in which px, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simgan.engine.data.folder_sink import label_table
from simgan.engine.data.hand_joints import OF_NYU
from simgan.engine.data.labels import read_table
from simgan.engine.errors import DataError
from simgan.engine.evaluation.hand.labels import read_joints, spread_of, truth_of


class Held:
    """A source as far as labels go."""

    def __init__(self, format: str = "npz", key: str | None = None, **labels: Any) -> None:
        self.format, self.key, self.labels = format, key, labels


def joints(count: int = 5, many: int = 14, numbers: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(10, 90, (count, many, numbers))


def read(source: Any, label: str | None = None, unit: str | None = None) -> Any:
    return read_joints(source, label, unit)


@pytest.mark.parametrize("numbers", [2, 3])
def test_joints_are_found_by_name_shape_and_base(numbers: int) -> None:
    given = joints(numbers=numbers)
    for source, label, name in (
        (Held(joints=given), None, "joints"),
        (Held(key="hands_x", hands_y=given, joints=given * 2), None, "hands_y"),
        (Held(points=given, joints=given * 2), "points", "points"),
        (Held(joints=given.reshape(5, -1)), None, "joints"),
    ):
        found = read(source, label)
        assert found.values == pytest.approx(given[..., :2]) and found.names == name
        assert found.description == f"joints: {name}, 14 joints, px"


@pytest.mark.parametrize("many", [14, 36])
def test_the_table_of_a_refined_folder_holds_joints_again(tmp_path: Path, many: int) -> None:
    given = joints(many=many).astype(np.float32)
    files = [f"{index}.png" for index in range(5)]
    source: Any = Held(joints=given, joints_xyz=given + 1, gaze=given[:, 0, :2])
    (tmp_path / "labels.csv").write_bytes(label_table(source, list(range(5)), files))
    labels, missing, extra = read_table(tmp_path / "labels.csv", files)
    assert not missing and not extra
    expected = given if many == 14 else given[:, list(OF_NYU)]
    assert np.array_equal(read(Held("image-folder", **labels)).values, expected[..., :2])


def test_of_nyus_joints_the_fourteen_are_taken() -> None:
    given = joints(many=36)
    found = read(Held("nyu-hand", joints=given, person=np.arange(5)))
    assert found.values == pytest.approx(given[:, list(OF_NYU), :2])
    assert found.persons.tolist() == list(range(5))
    assert "14 of NYU's 36" in found.description


NAN = joints()
NAN[3, 2, 0] = np.nan


@pytest.mark.parametrize(
    ("labels", "unit", "sentence"),
    [
        ({}, None, "no joints of hands; the set has no labels at all"),
        ({"gaze": joints()}, None, "no joints of hands; the set has gaze"),
        ({"joints": joints(many=21)}, None, r"joints must be .N, 14, 2 or 3. or NYU's"),
        ({"joints": joints(numbers=4)}, None, r"joints is \[5, 14, 4\]"),
        ({"joints": NAN}, None, "joints holds NaN or infinity in 1 of 5 rows"),
        ({"joints": joints() / 100}, None, "does not look like px: no value is above 0.9"),
        ({"joints": joints()}, "degrees", "label_unit degrees is for gaze"),
    ],
)
def test_labels_that_cannot_be_joints_are_refused(
    labels: dict[str, Any], unit: str | None, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        read(Held(**labels), unit=unit)


def test_small_values_are_px_when_told() -> None:
    assert read(Held(joints=joints() / 100), unit="px").values.max() < 1


def test_errors_are_told_in_px_of_224() -> None:
    given = np.array([[[0.0, 0.0], [55.0, 27.5]]])
    assert truth_of(given, 56, 56) == pytest.approx(np.array([[[1.5, 1.5], [221.5, 111.5]]]))
    assert truth_of(given, 224, 224) == pytest.approx(given)


def test_images_must_be_square_and_hold_the_joints() -> None:
    with pytest.raises(DataError, match="must be square, got 480x640"):
        truth_of(joints()[..., :2], 480, 640)
    with pytest.raises(DataError, match="of the joints lie outside of the images of 32x32"):
        truth_of(joints()[..., :2], 32, 32)
    assert "hands around" in spread_of(truth_of(joints()[..., :2], 100, 100))
