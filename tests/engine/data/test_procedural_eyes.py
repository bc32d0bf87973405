"""Procedural eyes: determinism, exact labels, sign conventions, and what the kinds share or not."""

from dataclasses import replace

import numpy as np
import pytest

from simgan.engine.config import DataPolicy
from simgan.engine.data.philox import normals, raw_draws, uniforms
from simgan.engine.data.procedural_eyes.camera import blur, downsample, photograph, texture
from simgan.engine.data.procedural_eyes.looks import LOOK_DRAWS, draw_looks
from simgan.engine.data.procedural_eyes.shading import shade
from simgan.engine.data.procedural_eyes.source import (
    KINDS,
    PARAMETER_DRAWS,
    ProceduralEyes,
    geometry,
    parse_location,
)
from simgan.engine.errors import DataError

# Means of the four quarters (top left, top right, bottom left, bottom right) of image 3, seed 7.
QUARTERS = {
    "synthetic": [131.5, 150.9, 139.8, 159.8],
    "camera": [146.3, 94.1, 185.8, 132.3],
}


def quarters(image: np.ndarray) -> list[float]:
    middle_y, middle_x = image.shape[0] // 2, image.shape[1] // 2
    rows = (image[:middle_y], image[middle_y:])
    return [float(part.mean()) for row in rows for part in (row[:, :middle_x], row[:, middle_x:])]


def gaze_vectors(gaze: np.ndarray) -> np.ndarray:
    pitch, yaw = gaze.T
    return np.stack(
        [np.cos(pitch) * np.sin(yaw), np.sin(pitch), -np.cos(pitch) * np.cos(yaw)], axis=1
    )


def darkest_centroid(image: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Centroid (x, y) of the nearly black pixels within 5 px of `center`."""
    y, x = np.indices(image.shape)
    near = (x - center[0]) ** 2 + (y - center[1]) ** 2 < 25
    weight = np.where(near, np.clip(60.0 - image, 0, None), 0)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def high_frequency(images: np.ndarray) -> float:
    """Mean square of what a small blur takes away from images scaled to [0, 1]."""
    gray = images[..., 0].astype(np.float32) / 255
    return float(np.mean((gray - blur(gray, np.float32(1.0))) ** 2))


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_uint8_gray_of_the_asked_size(kind):
    eyes = ProceduralEyes(kind, 3, seed=1)
    assert eyes.images().shape == (3, 35, 55, 1)
    assert eyes.read(0).shape == (35, 55, 1)
    assert eyes.read(0).dtype == eyes.images().dtype == np.uint8
    assert ProceduralEyes(kind, 2, height=24, width=40).images().shape == (2, 24, 40, 1)


def test_labels_are_float32_and_aligned_with_names():
    eyes = ProceduralEyes("synthetic", 5)
    assert eyes.names[4] == "eye_000004.png"
    assert len(eyes) == len(set(eyes.names)) == 5
    assert {name: label.shape for name, label in eyes.labels.items()} == {
        "gaze": (5, 2),
        "pupil_center": (5, 2),
    }
    assert {label.dtype for label in eyes.labels.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", KINDS)
def test_read_equals_the_bulk_images_and_repeats(kind):
    eyes = ProceduralEyes(kind, 37, seed=11)
    images = eyes.images()
    assert all(np.array_equal(eyes.read(index), images[index]) for index in range(37))
    assert np.array_equal(ProceduralEyes(kind, 37, seed=11).images(), images)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_the_count(kind):
    few, many = ProceduralEyes(kind, 4, seed=3), ProceduralEyes(kind, 50, seed=3)
    assert np.array_equal(few.images(), many.images()[:4])
    assert np.array_equal(few.labels["gaze"], many.labels["gaze"][:4])


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_the_recorded_ones_on_every_machine(kind):
    image = ProceduralEyes(kind, 4, seed=7).read(3)
    assert quarters(image) == pytest.approx(QUARTERS[kind], abs=0.5)


def test_seeds_and_kinds_give_other_eyes():
    gaze = ProceduralEyes("synthetic", 8, seed=0).labels["gaze"]
    assert not np.isclose(gaze, ProceduralEyes("synthetic", 8, seed=1).labels["gaze"]).any()
    assert not np.isclose(gaze, ProceduralEyes("camera", 8, seed=0).labels["gaze"]).any()
    last = ProceduralEyes("synthetic", 1, seed=2**63 - 1)
    assert last.read(0).std() > 0


def test_pupil_center_is_the_centroid_of_the_pupil_in_open_eyes():
    eyes = ProceduralEyes("synthetic", 200, seed=5)
    open_eyes = np.abs(eyes.labels["gaze"][:, 0]) < 0.12  # lids leave the whole pupil free
    assert open_eyes.sum() > 50
    found = np.array(
        [
            darkest_centroid(eyes.read(i)[..., 0].astype(float), eyes.labels["pupil_center"][i])
            for i in np.flatnonzero(open_eyes)
        ]
    )
    errors = np.linalg.norm(found - eyes.labels["pupil_center"][open_eyes], axis=1)
    assert np.median(errors) < 0.25
    assert errors.max() < 1.0


def test_gaze_follows_from_the_pupil_offset():
    # Only the position in the crop and the sizes of ball and iris stay unknown; they are drawn
    # within known bounds, which bound the error of a straight line through the labels.
    eyes = ProceduralEyes("camera", 400, seed=2)
    vectors = gaze_vectors(eyes.labels["gaze"].astype(np.float64))
    offset = eyes.labels["pupil_center"] - np.array([27.0, 17.0])
    assert np.abs(offset[:, 0] - 12.7 * vectors[:, 0]).max() < 2.3
    assert np.abs(offset[:, 1] - 1.0 + 12.7 * vectors[:, 1]).max() < 2.3


def test_pupil_center_is_exact_for_a_known_shape():
    shapes = geometry.draw_shapes(np.full((1, geometry.SHAPE_DRAWS), 0.5, np.float32))
    pitch, yaw = np.full((1, 1, 1), 0.2, np.float32), np.full((1, 1, 1), -0.3, np.float32)
    x, y, z = geometry.gaze_in_image(pitch, yaw)
    shapes = replace(shapes, pitch=pitch, yaw=yaw, gaze_x=x, gaze_y=y, gaze_z=z)
    depth = np.sqrt(14.5**2 - 7.1**2)
    expected = [27 + depth * np.cos(0.2) * np.sin(-0.3), 17 + 1 - depth * np.sin(0.2)]
    assert geometry.pupil_centers(shapes, 35, 55)[0] == pytest.approx(expected, abs=1e-4)
    twice = geometry.pupil_centers(shapes, 70, 110)[0]
    assert twice + 0.5 == pytest.approx(2 * (np.array(expected) + 0.5), abs=1e-4)


def test_positive_yaw_looks_right_and_positive_pitch_looks_up():
    eyes = ProceduralEyes("synthetic", 300, seed=4)
    pitch, yaw = eyes.labels["gaze"].T
    x, y = eyes.labels["pupil_center"].T
    assert x[yaw > 0.2].min() > x[yaw < -0.2].max()
    assert y[pitch > 0.15].mean() + 4 < y[pitch < -0.15].mean()


def test_upper_lid_follows_pitch():
    shapes = geometry.draw_shapes(np.random.default_rng(0).random((500, 16), np.float32))
    correlation = np.corrcoef(shapes.pitch.ravel(), shapes.upper_height.ravel())[0, 1]
    assert correlation > 0.8


def test_both_kinds_have_the_same_label_distribution():
    gazes = [ProceduralEyes(kind, 4000, seed=9).labels["gaze"] for kind in KINDS]
    grid = np.linspace(-0.7, 0.7, 57)
    for axis, limit in enumerate((geometry.PITCH_LIMIT, geometry.YAW_LIMIT)):
        both = [np.sort(gaze[:, axis]) for gaze in gazes]
        shares = [np.searchsorted(values, grid) / 4000 for values in both]
        # Kolmogorov-Smirnov: 0.0436 is exceeded once in 1,000 draws of equal distributions.
        assert np.abs(shares[0] - shares[1]).max() < 0.0436
        assert all(np.abs(values).max() <= limit for values in both)
        assert both[0].std() == pytest.approx(limit / 6**0.5, rel=0.05)


def test_camera_has_far_more_high_frequency_energy_away_from_edges():
    skin = (slice(None), slice(28, 35))  # the lowest rows show skin only
    energy = {kind: high_frequency(ProceduralEyes(kind, 64).images()[skin]) for kind in KINDS}
    assert energy["camera"] > 10 * energy["synthetic"]


def test_noise_is_standard_and_uniforms_fill_their_range():
    words = raw_draws(0, 1, range(20), 5000)
    noise, uniform = normals(words), uniforms(words)
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert 0 <= uniform.min() < 0.001 < 0.999 < uniform.max() < 1
    assert np.array_equal(raw_draws(0, 1, [3], 10)[0], words[3, :10])


def test_looks_and_shapes_fit_into_the_reserved_words():
    assert geometry.SHAPE_DRAWS + LOOK_DRAWS <= PARAMETER_DRAWS


def test_downsampling_is_the_mean_of_a_block():
    samples = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    assert downsample(samples).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]


def test_the_scene_and_the_photograph_stay_float32():
    words = raw_draws(0, 1, range(2), 4000)
    shapes = geometry.draw_shapes(uniforms(words[:, : geometry.SHAPE_DRAWS]))
    looks = draw_looks(True, uniforms(words[:, 100 : 100 + LOOK_DRAWS]))
    fields = geometry.eye_fields(shapes, 35, 55)
    grain = texture(normals(words), 35, 55)
    scene = downsample(shade(shapes, fields, looks, grain))
    photo = photograph(scene, looks, normals(words[:, :1925]).reshape(2, 35, 55))
    assert {array.dtype for array in (grain, scene, photo)} == {np.dtype(np.float32)}


def test_progress_reaches_the_count():
    seen = []
    ProceduralEyes("synthetic", 20).images(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)
    assert len(seen) == 2


def test_selected_eyes_keep_their_images_and_labels():
    eyes, whole = ProceduralEyes("camera", 6), ProceduralEyes("camera", 6)
    eyes.select([4, 1])
    assert eyes.names == ["eye_000004.png", "eye_000001.png"]
    assert np.array_equal(eyes.images(), whole.images()[[4, 1]])
    assert np.array_equal(eyes.read(0), whole.read(4))
    assert np.array_equal(eyes.labels["gaze"], whole.labels["gaze"][[4, 1]])


def test_rgb_policy_repeats_the_gray_channel():
    rgb = ProceduralEyes("camera", 2, policy=DataPolicy(channels="rgb")).images()
    assert rgb.shape == (2, 35, 55, 3)
    assert np.array_equal(rgb[..., :1], ProceduralEyes("camera", 2).images())


@pytest.mark.parametrize("index", [2, -3])
def test_reading_beyond_the_set_is_an_index_error(index):
    with pytest.raises(IndexError):
        ProceduralEyes("synthetic", 2).read(index)


def test_locations_round_trip():
    eyes = parse_location("procedural:camera?count=7&seed=3")
    assert (eyes.kind, len(eyes), eyes.seed) == ("camera", 7, 3)
    assert eyes.location == "procedural:camera?count=7&seed=3"
    assert eyes.path is None
    assert eyes.value_limits() == (0.0, 255.0)
    assert parse_location("procedural:synthetic").location == (
        "procedural:synthetic?count=2000&seed=0"
    )
    large = parse_location("procedural:synthetic?count=2&height=70&width=110")
    assert parse_location(large.location).read(1).shape == (70, 110, 1)


def test_signature_names_kind_count_seed_and_size():
    texts = ["synthetic?count=3", "camera?count=3", "camera?count=4", "camera?count=3&seed=1"]
    texts.append("camera?count=3&height=40")
    signatures = [parse_location(f"procedural:{text}").signature() for text in texts]
    assert len(set(signatures)) == len(texts)
    assert parse_location("procedural:camera?count=3&seed=0").signature() == signatures[1]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("procedural:webcam?count=3", "'webcam'"),
        ("procedural:", "''"),
        ("eyes:synthetic", "eyes:synthetic"),
        ("procedural:synthetic?number=3", "'number'"),
        ("procedural:synthetic?count=many", "'many'"),
        ("procedural:synthetic?count=-1", "'-1'"),
        ("procedural:synthetic?count=", "''"),
        ("procedural:synthetic?count=0", "got 0"),
        ("procedural:synthetic?count=1&count=2", "count is given twice"),
        ("procedural:synthetic?seed=9223372036854775808", "9223372036854775808"),
        ("procedural:synthetic?seed=" + "9" * 5000, "seed"),
        ("procedural:synthetic?height=4", "got 4"),
    ],
)
def test_a_bad_location_is_named(text, named):
    with pytest.raises(DataError, match="procedural") as caught:
        parse_location(text)
    assert named in str(caught.value)
