"""NYU frames cut to the hand: geometry, centres, labels, and what becomes of them when refined."""

from pathlib import Path

import numpy as np
import pytest
from corpus import write_nyu
from paths import SHARED_DATA, needs_shared_data

from simgan.engine.config import DataPolicy
from simgan.engine.data.hand_joints import JOINTS, OF_NYU
from simgan.engine.data.nyu_crops import (
    CUBE,
    FOCAL,
    INVALID,
    SIZE,
    centre_of_depth,
    centre_of_joints,
    cut,
    move_joints,
)
from simgan.engine.data.packing import pack
from simgan.engine.data.problems import BadImage
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError


def frame(u: float, v: float, mm: float, radius: int = 30, far: int = 0) -> np.ndarray:
    """uint16 [480, 640]: a disc at a depth, before a wall 1 m behind it."""
    y, x = np.mgrid[:480, :640]
    disc = (x - u) ** 2 + (y - v) ** 2 <= radius**2
    return np.where(disc, mm, far or mm + 1000).astype(np.uint16)


def test_a_cube_of_300_mm_fills_the_crop() -> None:
    centre = np.array([300.0, 200.0, 700.0])
    half = FOCAL[0] * CUBE / 700 / 2
    corners = np.array([[300 - half, 200, 700], [300 + half, 200, 700], [300, 200, 760]])
    moved = move_joints(corners, centre)
    assert moved[:, 0] == pytest.approx([-0.5, SIZE - 0.5, SIZE / 2 - 0.5])
    assert moved[:, 2] == pytest.approx([150, 150, 210])


def test_pixels_and_joints_move_alike() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        u, v, mm = generator.uniform((200, 150, 550), (440, 330, 1100)).round()
        centre = np.array([u, v, mm]) + generator.uniform(-25, 25, 3)
        (place,) = move_joints(np.array([[u, v, mm]]), centre)
        image = cut(frame(u, v, mm, 12), centre)
        y, x = np.nonzero(image < CUBE)
        assert (x.mean(), y.mean()) == pytest.approx(tuple(place[:2]), abs=0.6)
        assert np.unique(image[image < CUBE]) == pytest.approx(place[2], abs=0.51)


def test_what_is_not_known_or_beyond_is_the_far_plane_and_nearer_the_near() -> None:
    depth = np.full((480, 640), 700, np.uint16)
    depth[:, 190:], depth[:, 300:], depth[:, 340:], depth[:, 370:] = 0, INVALID, 500, 900
    image = cut(depth, np.array([320.0, 240.0, 700.0]))
    middle = image[112]
    assert set(np.unique(middle)) == {0, CUBE}
    assert (middle[130:145] == 0).all() and middle[20] == CUBE and middle[220] == CUBE
    edge = cut(np.full((480, 640), 700, np.uint16), np.array([0.0, 240.0, 700.0]))
    assert (edge[:, :111] == CUBE).all() and (edge[:, 114:] == 150).all(), "beyond the frame"


def test_the_centre_of_depth_is_that_of_the_nearest_thing() -> None:
    depth = frame(400, 150, 800, 50)
    depth[300:, 100:160] = 1400
    depth[10:12, 10:60] = 300  # specks
    assert centre_of_depth(depth) == pytest.approx([400, 150, 800], abs=0.5)
    with pytest.raises(BadImage, match="no depth"):
        centre_of_depth(np.zeros((480, 640), np.uint16))


def test_the_centre_of_joints_is_the_mean_in_space() -> None:
    joints = np.random.default_rng(1).uniform((200, 150, 600), (400, 300, 800), (36, 3))
    used = joints[list(OF_NYU)]
    x = (used[:, 0] - 320) * used[:, 2]
    expected = x.mean() / used[:, 2].mean() + 320
    assert centre_of_joints(joints)[[0, 2]] == pytest.approx([expected, used[:, 2].mean()])
    assert centre_of_joints(used) == pytest.approx(centre_of_joints(joints))


def hands(folder: Path, count: int = 3) -> np.ndarray:
    depths = np.stack([frame(250 + 40 * i, 200, 700 + 50 * i) for i in range(count)])
    return write_nyu(folder, depths)


def test_a_set_is_cut_by_depth_joints_or_a_file(tmp_path: Path) -> None:
    joints = hands(tmp_path / "train")
    source = open_source(tmp_path / "train", DataPolicy(crop="depth"))
    assert (source.format, source.value_limits()) == ("nyu-hand-crops", (0, CUBE))
    assert source.names[1] == "hand_1_0000002.png"
    image = source.read(1)
    assert image.shape == (SIZE, SIZE, 1) and image.dtype == np.uint16
    y, x = np.nonzero(image[..., 0] < CUBE)
    assert (x.mean(), y.mean()) == pytest.approx((111.5, 111.5), abs=0.6)
    centre = np.array([290.0, 200.0, 750.0])
    assert source.labels["joints"][1] == pytest.approx(move_joints(joints[1], centre), abs=1)
    (tmp_path / "c.txt").write_text("250 200 700\n290 200 750\n330 200 800\n")
    named = open_source(tmp_path / "train", DataPolicy(crop=str(tmp_path / "c.txt")))
    assert np.array_equal(named.read(1), source.read(1))
    around = open_source(tmp_path / "train", DataPolicy(crop="joints"))
    assert around.labels["joints"][:, list(OF_NYU), 2].mean(axis=1) == pytest.approx(150, abs=1e-3)


def test_another_cut_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    hands(tmp_path / "t")
    packed = []
    for shift in (0, 30):
        (tmp_path / "c.txt").write_text("".join(f"{290 + shift} 200 750\n" for _ in range(3)))
        packed.append(pack(open_source(tmp_path / "t", DataPolicy(crop=str(tmp_path / "c.txt")))))
    assert not np.array_equal(packed[0].images, packed[1].images)


@pytest.mark.parametrize(
    ("crop", "sentence"),
    [
        ("1 2 3\n", "must hold 3 numbers for each of 3 frames, it holds 1 lines of 3"),
        ("1 2 0\n" * 3, "holds a depth of 0 mm"),
        ("a b c\n", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_centres_that_do_not_fit_are_refused(
    tmp_path: Path, crop: str | None, sentence: str
) -> None:
    hands(tmp_path / "t")
    if crop is not None:
        (tmp_path / "c.txt").write_text(crop)
    with pytest.raises(DataError, match=sentence):
        open_source(tmp_path / "t", DataPolicy(crop=str(tmp_path / "c.txt")))


def test_frames_without_joints_cannot_be_cut_around_them(tmp_path: Path) -> None:
    hands(tmp_path / "t")
    (tmp_path / "t" / "joint_data.mat").unlink()
    with pytest.raises(DataError, match="has no joints to cut around"):
        open_source(tmp_path / "t", DataPolicy(crop="joints"))
    assert len(open_source(tmp_path / "t", DataPolicy(crop="depth"))) == 3


def test_the_joints_of_the_field_are_named_in_order() -> None:
    assert len(JOINTS) == len(OF_NYU) == 14 and sorted(OF_NYU) == list(OF_NYU)


@needs_shared_data
def test_the_joints_of_the_genuine_frame_land_on_the_hand() -> None:
    assert SHARED_DATA
    folder = SHARED_DATA / "nyu_hand_sample"
    source = open_source(folder, DataPolicy(crop="depth"))
    image = source.read(0)[..., 0]
    joints = np.loadtxt(folder / "nyu_test_label.txt", max_rows=1).reshape(14, 3)
    published = np.loadtxt(folder / "nyu_center.txt", max_rows=1)
    found = centre_of_depth(open_source(folder).read(0)[..., 0])
    assert found == pytest.approx(published, abs=6), "the centre that others cut this frame at"
    moved = move_joints(joints, found)
    u, v = moved[:, 0].round().astype(int), moved[:, 1].round().astype(int)
    before = moved[:, 2] - image[v, u]
    assert (before > 0).all() and (before < 40).all(), "mm of flesh before each joint"
    tips, wrists = moved[[0, 2, 4, 6]], moved[[11, 12]]
    assert tips[:, 1].max() < wrists[:, 1].min() and (np.diff(tips[:, 0]) > 0).all()
