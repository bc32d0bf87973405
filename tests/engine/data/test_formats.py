"""Every format is recognised, gives the same pixels, and follows one label convention."""

from pathlib import Path

import numpy as np
import pytest
from corpus import (
    encode,
    gray16_image,
    gray_images,
    write_folder,
    write_mpiigaze,
    write_nyu,
    write_unityeyes,
)
from paths import SHARED_DATA, needs_shared_data
from PIL import Image

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError

GRAY = DataPolicy(channels="gray")


def gaze_vector(gaze: np.ndarray) -> np.ndarray:
    """Unit vectors [N, 3], x to image right, y up, z towards the scene: the label convention."""
    pitch, yaw = gaze.T
    return np.stack(
        [np.cos(pitch) * np.sin(yaw), np.sin(pitch), -np.cos(pitch) * np.cos(yaw)], axis=1
    )


def test_one_set_in_every_format_gives_identical_pixels(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    images = gray_images(6)
    kinds = ("PNG", "TIFF", "BMP", "WEBP")
    for kind in kinds:
        write_folder(tmp_path / kind, images, kind)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "b.npz", images=images)
    np.savez_compressed(tmp_path / "c.npz", images=images[..., None])
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"] = images
    write_mpiigaze(tmp_path / "mpii", images[:3], np.tile([0.0, 0.0, -1.0], (3, 1)))
    prints = {
        place: pack(open_source(tmp_path / place, GRAY)).fingerprint
        for place in (*kinds, "a.npy", "b.npz", "c.npz", "d.h5")
    }
    assert len(set(prints.values())) == 1, prints
    assert np.array_equal(pack(open_source(tmp_path / "mpii")).images[:3, ..., 0], images[:3])


def test_unityeyes_is_cropped_and_labelled(tmp_path: Path) -> None:
    looks = write_unityeyes(tmp_path / "u", 3)
    source = open_source(tmp_path / "u", GRAY)
    assert source.format == "unityeyes"
    assert source.names == ["1.jpg", "2.jpg", "3.jpg"]
    assert np.allclose(gaze_vector(source.labels["gaze"]), looks, atol=1e-4)
    # 80 px of landmarks make a box of 140 x 90 px around (80, 50); the iris is 3 right and 2 up.
    assert np.allclose(source.labels["pupil_center"], [(73 * 55 / 140, 43 * 35 / 90)] * 3, atol=0.2)
    whole = Image.open(tmp_path / "u" / "2.jpg")
    expected = whole.crop((10, 5, 150, 95)).resize((55, 35), Image.Resampling.LANCZOS)
    assert np.abs(source.read(1)[..., 0].astype(int) - np.asarray(expected.convert("L"))).max() <= 1
    assert source.sidecars(0) == [("1.json", (tmp_path / "u").resolve() / "1.json")]


def test_unityeyes_may_be_cropped_more_tightly(tmp_path: Path) -> None:
    write_unityeyes(tmp_path / "u", 3)
    policy = DataPolicy(channels="gray", eye_crop=1.25)
    source = open_source(tmp_path / "u", policy)
    # 80 px of landmarks make a box of 100 x 64 px around (80, 50).
    whole = Image.open(tmp_path / "u" / "2.jpg")
    expected = whole.crop((30, 18, 130, 82)).resize((55, 35), Image.Resampling.LANCZOS)
    assert np.abs(source.read(1)[..., 0].astype(int) - np.asarray(expected.convert("L"))).max() <= 1
    assert np.allclose(source.labels["pupil_center"], [(53 * 55 / 100, 30 * 35 / 64)] * 3, atol=0.2)
    assert source.signature() != open_source(tmp_path / "u", GRAY).signature()


def test_a_refined_copy_of_unityeyes_is_not_cropped_again(tmp_path: Path) -> None:
    write_unityeyes(tmp_path / "u", 3)
    original = open_source(tmp_path / "u", GRAY)
    copy = tmp_path / "refined"
    copy.mkdir()
    for index, name in enumerate(original.names):
        (copy / name).write_bytes(encode(original.read(index)[..., 0], "PNG"))
        for label, path in original.sidecars(index):
            (copy / label).write_bytes(path.read_bytes())
    refined = open_source(copy, GRAY)
    assert refined.format == "unityeyes"
    for index in range(3):
        assert np.array_equal(refined.read(index), original.read(index))
    for key in ("gaze", "pupil_center"):
        assert np.allclose(refined.labels[key], original.labels[key], atol=0.2)


@pytest.mark.parametrize("damage", ["missing", "unparsable", "nan", "foreign"])
def test_unityeyes_labels_that_cannot_be_used_are_counted(tmp_path: Path, damage: str) -> None:
    write_unityeyes(tmp_path / "u", 3)
    label = tmp_path / "u" / "2.json"
    text = label.read_text()
    if damage == "missing":
        label.unlink()
    elif damage == "unparsable":
        label.write_text(text[:100])
    elif damage == "nan":
        label.write_text(text.replace("-0.2,", "NaN,"))
    else:
        label.write_text("{}")
    reason = {
        "missing": "2.json",
        "unparsable": "2.json: not JSON",
        "nan": "2.json: NaN",
        "foreign": "2.json: no interior_margin_2d",
    }[damage]
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "u")
    assert caught.value.what == f"labels: 2 matched, 1 missing (first: {reason}), 0 extra"
    skipping = open_source(tmp_path / "u", DataPolicy(missing_labels="skip"))
    assert skipping.names == ["1.jpg", "3.jpg"]
    assert len(skipping.labels["gaze"]) == 2


def test_mpiigaze_follows_the_label_convention(tmp_path: Path) -> None:
    images = gray_images(3, size=(36, 60))
    # Published: x right, y down, z away from the camera. Looking up and to image right.
    gaze = np.array([[0.0, 0.0, -1.0], [0.3, -0.2, -0.9327], [-0.1, 0.1, -0.99]])
    write_mpiigaze(tmp_path, images, gaze)
    source = open_source(tmp_path)
    assert source.format == "mpiigaze"
    assert source.names[:2] == ["p00/day01/left_0000", "p00/day01/left_0001"]
    assert source.names[3] == "p00/day01/right_0000"
    up = gaze / np.linalg.norm(gaze, axis=1, keepdims=True) * (1, -1, 1)
    assert np.allclose(gaze_vector(source.labels["gaze"][:3]), up, atol=1e-5)
    assert source.labels["gaze"][1, 0] > 0 and source.labels["gaze"][1, 1] > 0
    assert source.labels["person"].tolist() == [0] * 6
    assert np.array_equal(source.read(4)[..., 0], images[1])


def test_a_damaged_mpiigaze_file_is_named(tmp_path: Path) -> None:
    write_mpiigaze(tmp_path, gray_images(2), np.tile([0.0, 0.0, -1.0], (2, 1)))
    mat = tmp_path / "Data" / "Normalized" / "p00" / "day01.mat"
    mat.write_bytes(mat.read_bytes()[:300])
    with pytest.raises(DataError, match=r"day01\.mat is not a normalized MPIIGaze file"):
        open_source(tmp_path)


def test_nyu_depth_is_read_in_millimetres_with_joints(tmp_path: Path) -> None:
    depths = np.stack([gray16_image(seed) % 2048 for seed in range(3)])
    joints = write_nyu(tmp_path / "train", depths)
    source = open_source(tmp_path)
    assert source.format == "nyu-hand"
    assert np.array_equal(np.stack([source.read(i)[..., 0] for i in range(3)]), depths)
    assert np.allclose(source.labels["joints"], joints)
    assert np.allclose(source.labels["joints_xyz"], joints + 1)
    with pytest.raises(DataError, match=r"depth_1_0000001\.png is 16-bit; set data\.range"):
        pack(source)
    assert pack(source, DataPolicy(range="0..2000")).value_range == (0, 2000)


def test_nyu_frames_without_joints_are_counted(tmp_path: Path) -> None:
    write_nyu(tmp_path / "t", np.stack([gray16_image(seed) for seed in range(2)]))
    extra = tmp_path / "t" / "depth_1_0000009.png"
    extra.write_bytes((tmp_path / "t" / "depth_1_0000001.png").read_bytes())
    with pytest.raises(DataError, match=r"2 matched, 1 missing \(first: depth_1_0000009\.png in"):
        open_source(tmp_path / "t")
    assert len(open_source(tmp_path / "t", DataPolicy(missing_labels="skip")).labels["joints"]) == 2


def test_procedural_eyes_open_by_location() -> None:
    source = open_source("procedural:synthetic?count=4&seed=1")
    assert source.format == "procedural-eyes"
    assert pack(source).images.shape == (4, 35, 55, 1)


@needs_shared_data
@pytest.mark.parametrize(
    ("folder", "key", "count"),
    [("unityeyes_rendered", "synthetic", 200), ("unityeyes_genuine", "unityeyes", 128)],
)
def test_crops_and_gaze_equal_the_published_55x35_set(folder: str, key: str, count: int) -> None:
    assert SHARED_DATA
    published = np.load(SHARED_DATA / "gaze_55x35.npz")
    source = open_source(SHARED_DATA / folder, GRAY)
    crops = np.stack([source.read(index)[..., 0] for index in range(count)])
    difference = np.abs(crops.astype(int) - published[f"{key}_x"][:count])
    assert difference.mean() < 0.02  # 0.0 with Pillow 13 and libjpeg-turbo 3
    expected = published[f"{key}_y"]
    assert np.allclose(source.labels["gaze"], expected, atol=1e-4)  # look_vec has 4 decimals
    assert (source.labels["pupil_center"] >= 0).all()
    assert (source.labels["pupil_center"] <= (55, 35)).all()


@needs_shared_data
def test_the_genuine_nyu_frame_is_read() -> None:
    assert SHARED_DATA
    source = open_source(SHARED_DATA / "nyu_hand_sample")
    assert (source.format, source.names) == ("nyu-hand", ["depth_1_0000001.png"])
    depth = source.read(0)
    assert (depth.shape, depth.dtype) == ((480, 640, 1), np.uint16)
    label = (SHARED_DATA / "nyu_hand_sample" / "nyu_test_label.txt").read_text().split()[:42]
    joints = np.array(label, np.float64).reshape(14, 3)
    u, v = joints[:, 0].round().astype(int), joints[:, 1].round().astype(int)
    assert np.median(np.abs(depth[v, u, 0] - joints[:, 2])) < 30  # skin is in front of the bone


@needs_shared_data
def test_the_genuine_columbia_table_labels_every_patch() -> None:
    assert SHARED_DATA
    source = open_source(SHARED_DATA / "columbia_people_1_25", DataPolicy(limit=300))
    assert source.read(0).shape == (64, 64, 3)
    degrees = [float(name.split("_")[4][:-1]) for name in source.names]
    assert source.labels["gaze_H_deg"].tolist() == degrees


@needs_shared_data
@pytest.mark.parametrize(
    ("folder", "shape"),
    [
        ("simgan_samples/zhangzi1/syn", (100, 84, 140, 1)),
        ("simgan_samples/alexhex7/MPIIGaze_data", (144, 35, 55, 1)),
        ("simgan_samples/alexhex7/SynthEyes_train_data", (52, 80, 120, 3)),
        ("crazytalk_to_webcam/training_eye_64", (364, 64, 64, 3)),
    ],
)
def test_genuine_samples_are_packed_as_they_are(folder: str, shape: tuple[int, ...]) -> None:
    assert SHARED_DATA
    array = pack(open_source(SHARED_DATA / folder))
    assert array.images.shape == shape
    assert array.problems == []


@needs_shared_data
def test_the_genuine_npz_opens_by_key() -> None:
    assert SHARED_DATA
    path = SHARED_DATA / "gaze_55x35.npz"
    with pytest.raises(DataError, match="holds 6 arrays of images: synthetic_x, "):
        open_source(path)
    source = open_source(path, DataPolicy(key="mpiigaze_test_x"))
    assert len(source) == 500
    assert source.labels["mpiigaze_test_y"].shape == (500, 2)
