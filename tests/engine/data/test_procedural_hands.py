"""Procedural hands: determinism, exact joints, anatomy, and what the kinds share or not."""

import numpy as np
import pytest

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import pack
from simgan.engine.data.procedural_hands import pose, sensor
from simgan.engine.data.procedural_hands.source import CUBE, KINDS, ProceduralHands, parse_location
from simgan.engine.data.procedural_hands.surface import draw_depth
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError

SYNTHETIC, CAMERA = KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_depends_on_kind_seed_index_and_size_alone(kind: str) -> None:
    few, many = ProceduralHands(kind, 3, 5, 64), ProceduralHands(kind, 40, 5, 64)
    assert np.array_equal(few.read(2), many.read(2))
    assert np.array_equal(few.labels["joints"], many.labels["joints"][:3])
    assert not np.array_equal(few.read(2), many.read(3))
    assert not np.array_equal(few.read(2), ProceduralHands(kind, 3, 6, 64).read(2))
    other = next(k for k in KINDS if k != kind)
    assert not np.isclose(
        few.labels["joints"], ProceduralHands(other, 3, 5, 64).labels["joints"]
    ).all()
    many.select([7, 2])
    assert np.array_equal(many.read(1), few.read(2)) and many.names[1] == "hand_000002.png"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [32, 64, 224])
def test_images_are_depth_in_a_cube_with_a_hand_in_it(kind: str, size: int) -> None:
    hands = ProceduralHands(kind, 20, 1, size)
    images = np.stack([hands.read(i) for i in range(20)])
    assert images.shape == (20, size, size, 1) and images.dtype == np.uint16
    assert hands.value_limits() == (0, CUBE) and images.max() == CUBE
    shown = (images < CUBE).mean(axis=(1, 2, 3))
    assert (shown > 0.08).all() and (shown < 0.5).all()
    assert hands.labels["joints"].shape == (20, 14, 3)
    assert hands.labels["joints"].dtype == np.float32


def test_joints_scale_with_the_size_about_the_edge_of_the_image() -> None:
    large, small = (ProceduralHands(SYNTHETIC, 9, 3, size).labels["joints"] for size in (224, 56))
    assert (small[..., :2] + 0.5) * 4 == pytest.approx(large[..., :2] + 0.5, abs=1e-3)
    assert small[..., 2] == pytest.approx(large[..., 2], abs=1e-3)


def test_skin_lies_just_in_front_of_the_joints_that_are_seen() -> None:
    """Depth at a joint is at most a palm's half thickness less; another finger may be before it."""
    hands = ProceduralHands(SYNTHETIC, 200, 4)
    joints = hands.labels["joints"]
    u, v = (joints[..., axis].round().astype(int).clip(0, 223) for axis in (0, 1))
    depth = np.stack([hands.read(i)[v[i], u[i], 0] for i in range(200)])
    before = joints[..., 2] - depth
    assert (before > -1.0).all(), "no joint is before the skin"
    assert (np.abs(before) < 25).mean() > 0.8
    tips = before[:, [0, 2, 4, 6, 8]]
    assert np.median(tips) == pytest.approx(8, abs=2), "the radius of a fingertip"


def test_bones_have_the_lengths_of_the_model_whatever_the_pose() -> None:
    hands = pose.draw_hands(np.random.default_rng(0).random((50, pose.POSE_DRAWS)))
    joints = pose.joints_of(hands)
    for finger, (_, second, third) in enumerate(pose.PHALANGES):
        tip_to_middle = np.linalg.norm(joints[:, 2 * finger] - joints[:, 2 * finger + 1], axis=1)
        assert (tip_to_middle < (second + third) * hands.size + 1e-9).all()
        first = np.linalg.norm(hands.fingers[:, finger, 0] - hands.knuckles[:, finger], axis=1)
        assert first == pytest.approx(pose.PHALANGES[finger][0] * hands.size)
    thumb = np.linalg.norm(joints[:, 8] - joints[:, 9], axis=1)
    assert thumb == pytest.approx(pose.THUMB[2] * hands.size)
    width = np.linalg.norm(joints[:, 11] - joints[:, 12], axis=1)
    assert width == pytest.approx(2 * pose.WRIST * hands.size)


def test_a_straight_hand_is_a_right_hand_with_its_palm_to_the_camera() -> None:
    middle = np.full((1, pose.POSE_DRAWS), 0.5)
    middle[:, 1:15] = 0.0  # no finger is bent
    joints = pose.joints_of(pose.draw_hands(middle))[0]
    tips, thumb, wrist = joints[[0, 2, 4, 6]], joints[8], joints[[11, 12]]
    assert (np.diff(tips[:, 0]) > 0).all() and thumb[0] > tips[:, 0].max(), "thumb on the right"
    assert (tips[:, 1] < -120).all() and wrist[1, 0] > wrist[0, 0]
    bent = middle.copy()
    bent[:, 1:10] = 1.0
    assert (pose.joints_of(pose.draw_hands(bent))[0, :8, 2] < -20).all(), "towards the camera"


def test_both_kinds_have_one_distribution_of_poses() -> None:
    places = [ProceduralHands(kind, 3000, 2).labels["joints"].reshape(3000, -1) for kind in KINDS]
    a, b = places
    error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / 3000)
    assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error).all()
    assert a.std(axis=0) == pytest.approx(b.std(axis=0), rel=0.06)


def test_a_rounded_cone_is_the_union_of_its_spheres() -> None:
    """Against 4,000 spheres along the segment, drawn one by one in float64."""
    generator = np.random.default_rng(3)
    y, x = np.mgrid[:40, :40].astype(np.float64)
    for trial in range(12):
        start, end = generator.uniform(8, 32, (2, 3))
        radii = generator.uniform(2, 7, 2)
        if trial == 0:
            end[:2] = start[:2] + 1e-4  # straight at the camera
        expected = np.full((40, 40), np.inf)
        for share in np.linspace(0, 1, 4000):
            centre, radius = start + share * (end - start), radii[0] + share * (radii[1] - radii[0])
            square = radius**2 - (x - centre[0]) ** 2 - (y - centre[1]) ** 2
            front = centre[2] - np.sqrt(np.where(square >= 0, square, np.nan))
            expected = np.fmin(expected, front)
        parts = start[None], end[None], radii[:1], radii[1:]
        drawn = draw_depth(*parts, 1.0, 40, np.inf)
        hit = np.isfinite(expected)
        assert (np.isfinite(drawn) ^ hit).sum() <= 3, "but for pixels that are only touched"
        both = hit & np.isfinite(drawn)
        assert drawn[both] == pytest.approx(expected[both], abs=0.02)


def test_the_camera_loses_edges_and_shadows_and_steps_depth() -> None:
    scene = np.full((224, 224), CUBE, np.float32)
    scene[40:200, 20:200] = 200.0  # a wall, and a bar 60 mm before it
    scene[40:200, 90:130] = 140.0
    quiet = np.zeros(sensor.noise_draws(224), np.float32)
    seen = sensor.photograph(scene, quiet, CUBE)
    values = np.unique(seen)
    assert (values % sensor.STEP == 0).all() and {140, 200, 300} <= set(values)
    left, right = seen[100, 80:90], seen[100, 131:141]
    assert (left[-4:] == CUBE).all(), "the bar's shadow falls to its left"
    assert left[0] == 200 and (right[2:] == 200).all()
    noisy = sensor.photograph(
        scene, np.random.default_rng(0).standard_normal(len(quiet)).astype(np.float32), CUBE
    )
    assert noisy[60:180, 105:115].std() == pytest.approx(sensor.NOISE, rel=0.3)


def test_the_kinds_differ_in_appearance() -> None:
    def roughness(kind: str) -> float:
        images = [ProceduralHands(kind, 20, 3).read(i)[..., 0].astype(float) for i in range(20)]
        return float(
            np.mean([np.median(np.abs(np.diff(i, 2))[(i[:, 2:] < 300) & (i[:, :-2] < 300)])
                     for i in images])
        )  # fmt: skip

    assert roughness(CAMERA) > roughness(SYNTHETIC) + 0.5


def test_a_location_opens_and_packs() -> None:
    source = open_source("procedural:hand-camera?count=30&seed=9&size=48")
    array = pack(source)
    assert array.images.shape == (30, 48, 48, 1) and array.value_range == (0, CUBE)
    assert np.array_equal(array.images[7], source.read(7))
    assert np.array_equal(array.labels["joints"], source.labels["joints"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("procedural:hand-foot?count=3", "no procedural hands of kind 'hand-foot'"),
        ("procedural:hand-camera?width=3", "unknown key 'width', expected count, seed, size"),
        ("procedural:hand-camera?size=64&size=64", "size is given twice"),
        ("procedural:hand-camera?count=many", "count must be a whole number"),
        ("procedural:hand-camera?size=8", "size of procedural hands must be 32 to 1024, got 8"),
    ],
)
def test_faulty_locations_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        parse_location(text)


def test_depth_is_not_made_rgb() -> None:
    with pytest.raises(DataError, match=r"data\.channels cannot be rgb"):
        parse_location("procedural:hand-camera", DataPolicy(channels="rgb"))
