"""Gaze conversions and the angle between two gazes, by hand and by round trip."""

import numpy as np
import pytest

from simgan.engine.data.mpiigaze import gaze_angles
from simgan.engine.evaluation.gaze import angular_error, to_angles, to_vectors


@pytest.mark.parametrize(
    ("degrees", "vector"),
    [
        ((0, 0), (0, 0, -1)),  # into the camera
        ((90, 0), (0, 1, 0)),  # up
        ((0, 90), (1, 0, 0)),  # to image right
        ((-30, 0), (0, -0.5, -np.sqrt(0.75))),
        ((0, -30), (-0.5, 0, -np.sqrt(0.75))),
        ((45, 45), (0.5, np.sqrt(0.5), -0.5)),
    ],
    ids=str,
)
def test_vectors_by_hand(degrees: tuple[float, float], vector: tuple[float, ...]) -> None:
    assert to_vectors(np.radians(degrees)) == pytest.approx(np.array(vector), abs=1e-15)


def test_angles_survive_the_way_there_and_back() -> None:
    generator = np.random.default_rng(0)
    angles = generator.uniform((-1.57, -3.14), (1.57, 3.14), (1000, 2))
    vectors = to_vectors(angles)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-15)
    assert to_angles(vectors) == pytest.approx(angles, abs=1e-12)
    assert to_angles(7.5 * vectors) == pytest.approx(angles, abs=1e-12), "length does not matter"


def test_the_convention_is_that_of_the_readers() -> None:
    vectors = to_vectors(np.array([[0.3, -0.2], [-0.1, 0.4]]))
    # MPIIGaze stores y downwards.
    assert to_angles(vectors) == pytest.approx(gaze_angles(vectors * (1, -1, 1)))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 0.1, 45.0, 90.0, 179.999999, 180.0])
def test_angular_error_by_hand(angle: float) -> None:
    a = np.array([0.0, 0.0, -1.0])
    b = np.array([np.sin(np.radians(angle)), 0.0, -np.cos(np.radians(angle))])
    assert angular_error(3 * a, 0.2 * b) == pytest.approx(angle, rel=1e-6, abs=1e-12)
    assert angular_error(b, a) == angular_error(a, b)


def test_angular_error_of_many_broadcasts() -> None:
    truth = to_vectors(np.radians([[0, 10], [20, 0]]))
    predicted = np.stack((truth, to_vectors(np.zeros((2, 2)))))
    assert angular_error(predicted, truth) == pytest.approx(np.array([[0, 0], [10, 20]]), abs=1e-9)


@pytest.mark.parametrize("bad", [(0, 0, 0), (np.nan, 0, 1), (np.inf, 0, 0)], ids=str)
def test_a_vector_without_direction_has_no_error(bad: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="predicted gaze vectors must be finite and not zero"):
        angular_error(np.array([bad, (0, 0, -1)]), np.array([0, 0, -1]))
    with pytest.raises(ValueError, match="true gaze vectors"):
        angular_error(np.array([0, 0, -1]), np.array([bad]))
