"""Which labels are gaze, in which unit: recognised where only one can be, asked for elsewhere."""

from typing import Any

import numpy as np
import pytest

from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze import to_vectors
from simgan.engine.evaluation.gaze_labels import read_gaze

RADIANS = np.array([[0.1, -0.2], [0.3, 0.25], [-0.35, 0.5]])
DEGREES = np.degrees(RADIANS)
VECTORS = to_vectors(RADIANS)
Y_DOWN = VECTORS * (1, -1, 1)


@pytest.mark.parametrize(
    ("labels", "given", "description"),
    [
        ({"gaze": RADIANS}, {}, "gaze, radians (recognised: no value is above 0.50)"),
        ({"gaze": DEGREES}, {}, "gaze, degrees (recognised: values up to 28.6)"),
        ({"gaze": RADIANS}, {"format": "unityeyes"}, "gaze, radians"),
        ({"gaze": RADIANS}, {"unit": "radians"}, "gaze, radians (as told)"),
        ({"gaze": DEGREES}, {"unit": "degrees"}, "gaze, degrees (as told)"),
        ({"gaze": VECTORS}, {"unit": "vector"}, "gaze, vector (as told)"),
        ({"gaze": Y_DOWN}, {"unit": "vector-y-down"}, "gaze, vector-y-down (as told)"),
        ({"a_y": DEGREES, "gaze": 0 * RADIANS}, {"key": "a_x", "unit": "degrees"}, "a_y, degrees"),
        ({"y": RADIANS}, {"key": "x"}, "y, radians"),
        ({"pitch": RADIANS[:, 0], "yaw": RADIANS[:, 1]}, {}, "pitch,yaw, radians (recognised"),
        ({"pitch_deg": DEGREES[:, 0], "yaw_deg": DEGREES[:, 1]}, {}, "pitch_deg,yaw_deg, degrees"),
        ({"pitch_rad": RADIANS[:, 0], "yaw_rad": RADIANS[:, 1]}, {}, "pitch_rad,yaw_rad, radians"),
        (
            {"eye_y_0": RADIANS[:, 0], "eye_y_1": RADIANS[:, 1], "pose_0": RADIANS[:, 0]},
            {},
            "eye_y_0,eye_y_1, radians (recognised",
        ),
        (
            {f"y_{i}": VECTORS[:, i] for i in range(3)},
            {"unit": "vector"},
            "y_0,y_1,y_2, vector (as told)",
        ),
        (
            {"v": DEGREES[:, 0], "h": DEGREES[:, 1], "gaze": 0 * RADIANS},
            {"label": "v, h", "unit": "degrees"},
            "v,h, degrees (as told)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_unit_becomes_the_same_vectors(
    labels: dict[str, np.ndarray], given: dict[str, Any], description: str
) -> None:
    found = read_gaze(labels, **given)
    assert found.vectors == pytest.approx(VECTORS, abs=1e-12)
    assert found.description.startswith(description)


def test_a_told_unit_does_not_override_a_declared_one() -> None:
    labels = {"pitch_deg": DEGREES[:, 0], "yaw_deg": DEGREES[:, 1]}
    assert read_gaze(labels, unit="radians").vectors == pytest.approx(VECTORS)
    found = read_gaze({"gaze": RADIANS}, format="mpiigaze", unit="degrees")
    assert found.vectors == pytest.approx(VECTORS)


NAN = RADIANS.copy()
NAN[1, 0] = np.nan


@pytest.mark.parametrize(
    ("labels", "given", "sentence"),
    [
        ({}, {}, "no gaze labels; the set has no labels at all"),
        ({"pose": RADIANS}, {}, "no gaze labels; the set has pose"),
        (
            {f"{a}_y_{i}": RADIANS[:, 0] for a in "lr" for i in (0, 1)},
            {},
            "the set has l_y_0, l_y_1",
        ),
        ({"gaze": np.array([[1.2, 2.0]])}, {}, "can be radians or degrees: its values reach 1.20"),
        ({"gaze": np.array([[120.0, 2.0]])}, {}, "not gaze in degrees: pitch reaches 120"),
        ({"gaze": DEGREES}, {"unit": "radians"}, "not gaze in radians: pitch reaches 20.05"),
        ({"gaze": RADIANS}, {"unit": "vector"}, "two columns; label_unit vector is for vectors"),
        ({"gaze": VECTORS}, {}, "holds unit vectors; which way is y?"),
        ({"gaze": VECTORS}, {"unit": "degrees"}, "holds unit vectors; which way is y?"),
        ({"gaze": 2 * VECTORS}, {"unit": "vector"}, r"unit vectors; their lengths are 2 to 2"),
        ({"gaze": VECTORS * (1, 1, -1)}, {"unit": "vector"}, "point away from the camera"),
        ({"gaze": NAN}, {}, "gaze holds NaN or infinity in 1 of 3 rows"),
        ({"gaze": RADIANS[:, 0]}, {}, r"must be \[N, 2\] .* gaze is \[3\]"),
        ({"a": RADIANS, "b": RADIANS}, {"label": "a,b"}, r"columns of gaze must be \[N\], got a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_gaze_is_refused(
    labels: dict[str, np.ndarray], given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        read_gaze(labels, **given)


@pytest.mark.parametrize(
    ("names", "key"), [(["person"], None), (["subject"], None), (["a_person", "person"], "a_x")]
)
def test_persons_are_found_by_name(names: list[str], key: str | None) -> None:
    labels = {"gaze": RADIANS, **{name: np.full(3, i) for i, name in enumerate(names)}}
    labels[names[0]] = np.array([4, 4, 9], np.uint8)
    persons = read_gaze(labels, key=key).persons
    assert persons is not None and persons.tolist() == [4, 4, 9]


def test_persons_may_have_names_but_not_fractions() -> None:
    labels = {"gaze": RADIANS, "person": np.array(["p01", "p00", "p01"])}
    assert read_gaze(labels).persons.tolist() == ["p01", "p00", "p01"]
    with pytest.raises(DataError, match="whole numbers or names"):
        read_gaze({"gaze": RADIANS, "person": np.array([1.0, 1.5, 2.0])})


def test_without_persons_there_are_none() -> None:
    assert read_gaze({"gaze": RADIANS, "person": RADIANS}).persons is None
