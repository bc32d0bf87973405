"""Shifts of pieces of an image: injected ones are found, and what cannot be told is said so."""

import numpy as np
import pytest
import torch
from moved_eyes import fourier_shifted

from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError
from simgan.engine.evaluation.label_check.phase_correlation import measure_shifts
from simgan.engine.evaluation.label_check.points import (
    at_size,
    grid_points,
    inside,
    labelled_points,
    piece_side,
)

DIRECTION = np.array((0.8, -0.6))


def eyes(kind: str) -> tuple[np.ndarray, np.ndarray]:
    source = open_source(f"procedural:{kind}?count=60&seed=11")
    images = np.stack([source.read(index) for index in range(60)])[..., 0] / 255
    return images, source.labels["pupil_center"][:, None].astype(np.float64)


def measured(first: np.ndarray, second: np.ndarray, points: np.ndarray) -> np.ndarray:
    found = measure_shifts(*map(torch.from_numpy, (first, second, points)), 17)
    good = ~(found.flat | found.unlike).numpy()
    assert good.mean() > 0.8
    return found.shift.numpy()[good]


@pytest.mark.parametrize("kind", ["synthetic", "camera"])
@pytest.mark.parametrize("size", [0.25, 0.5, 1.0, 2.0])
def test_an_injected_shift_is_found_within_a_tenth_of_a_pixel(kind: str, size: float) -> None:
    images, pupils = eyes(kind)
    moved = fourier_shifted(images, *(size * DIRECTION))
    for points in (pupils, grid_points(60, 35, 55).places):
        error = np.linalg.norm(measured(images, moved, points) - size * DIRECTION, axis=-1)
        assert np.quantile(error, 0.95) < 0.1
        assert np.median(error) < 0.05


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0, 2.0])
def test_gamma_and_contrast_do_not_hide_the_shift(size: float) -> None:
    images, pupils = eyes("synthetic")
    moved = 0.1 + 0.7 * np.clip(fourier_shifted(images, *(size * DIRECTION)), 0, 1) ** 1.6
    error = np.linalg.norm(measured(images, moved, pupils) - size * DIRECTION, axis=-1)
    assert np.quantile(error, 0.95) < 0.1


def test_equal_images_have_not_moved_at_all() -> None:
    images, pupils = eyes("camera")
    assert np.abs(measured(images, images, pupils)).max() < 1e-9


def test_flat_pieces_straight_edges_and_strangers_are_told_apart() -> None:
    ramp = np.zeros((1, 35, 55))
    ramp[:, :, 40:] = 1.0  # an edge that looks the same all along
    points = np.array([[[12.0, 17.0], [40.0, 17.0]]])
    found = measure_shifts(*map(torch.from_numpy, (ramp, ramp, points)), 17)
    assert found.flat.tolist() == [[True, True]]
    generator = np.random.default_rng(0)
    first, second = generator.random((2, 4, 35, 55))
    centre = np.tile((27.0, 17.0), (4, 1, 1))
    found = measure_shifts(*map(torch.from_numpy, (first, second, centre)), 17)
    assert found.unlike.all() and not found.flat.any()


def test_points_come_from_labels_in_pixels_from_the_middle_of_the_first() -> None:
    labels = {"pupil_center": np.array([[10.5, 7.5]]), "joints": np.array([[[1, 2, 9], [3, 4, 9]]])}
    found = labelled_points(labels, "npz")
    assert found is not None and found.name == "pupil_center, joints"
    assert found.places.tolist() == [[[10.5, 7.5], [1, 2], [3, 4]]]
    corner = labelled_points(labels, "unityeyes", "pupil_center")
    assert corner is not None and corner.places.tolist() == [[[10, 7]]]
    assert labelled_points({"gaze": np.zeros((3, 2))}, "npz") is None
    # The middle of the first pixel of an image twice as large lies a quarter before that of this.
    assert at_size(np.array([0.0, 3.0]), (2.0, 2.0)).tolist() == [0.5, 6.5]


@pytest.mark.parametrize(
    ("labels", "name", "sentence"),
    [
        ({"gaze": np.zeros((3, 2))}, "eye", "the set has no label 'eye'; it has gaze"),
        ({"joints": np.zeros(3)}, None, r"joints is \[3\]"),
        ({"joints": np.full((3, 2), np.nan)}, None, "joints holds NaN or infinity in 3 of 3 rows"),
    ],
)
def test_unusable_points_are_refused(labels: dict, name: str | None, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        labelled_points(labels, "npz", name)


def test_the_grid_lies_inside_and_pieces_grow_with_the_image() -> None:
    for height, width in ((35, 55), (224, 224), (24, 30)):
        grid = grid_points(2, height, width)
        assert inside(grid.places, height, width).all()
        assert len(np.unique(grid.places[0], axis=0)) == grid.places.shape[1] >= 4
    assert (piece_side(55), piece_side(110)) == (17, 33)
    assert not inside(np.array([[[2.0, 17.0], [27.0, 34.0]]]), 35, 55).any()
