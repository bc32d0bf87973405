"""NumPy and HDF5 files: which array holds the images, and what is refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from corpus import flip_byte, gray_images

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError

IMAGES = gray_images(5)
GAZE = np.arange(10, dtype=np.float32).reshape(5, 2)


def test_npz_takes_its_only_image_array_and_labels_of_the_same_length(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, gaze=GAZE, camera=np.eye(3))
    source = open_source(tmp_path / "a.npz")
    assert (source.format, source.names[2], len(source)) == ("npz", "000002", 5)
    assert np.array_equal(source.read(2)[..., 0], IMAGES[2])
    assert list(source.labels) == ["gaze"]


def test_npz_with_two_image_arrays_lists_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=IMAGES, right=IMAGES[:2])
    with pytest.raises(DataError, match="holds 2 arrays of images: left, right"):
        open_source(tmp_path / "a.npz")
    assert len(open_source(tmp_path / "a.npz", DataPolicy(key="right"))) == 2
    with pytest.raises(DataError, match="has no array 'middle'; it holds left uint8"):
        open_source(tmp_path / "a.npz", DataPolicy(key="middle"))


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "b#1.npz"])
def test_a_path_can_name_the_image_array(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, left=IMAGES, right=IMAGES[:2])
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["left"], file["right"] = IMAGES, IMAGES[:2]
    right = open_source(f"{path}#right", DataPolicy(key="left"))
    assert (len(right), right.location, right.path) == (2, f"{path}#right", path)
    assert right.signature() != open_source(f"{path}#left").signature()
    with pytest.raises(DataError, match="has no array 'middle'"):
        open_source(f"{path}#middle")


def test_a_file_whose_own_name_has_a_number_sign_is_itself(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=IMAGES, right=IMAGES[:2])
    np.savez(tmp_path / "a.npz#right.npz", images=IMAGES[:3])
    assert len(open_source(tmp_path / "a.npz#right.npz")) == 3
    with pytest.raises(DataError, match="nothing#right does not exist"):
        open_source(tmp_path / "nothing#right")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (IMAGES.astype(np.float32), "floating-point numbers"),
        (IMAGES.astype(np.int64), "holds no array of images"),
        (IMAGES[0], "holds no array of images"),
        (np.zeros((0, 24, 30), np.uint8), "there are no images in it"),
        (np.zeros((5, 3, 24, 30), np.uint8), "the last axis must be channels"),
    ],
    ids=["float", "int64", "2d", "empty", "channels-first"],
)
def test_npz_without_usable_images_says_why(
    tmp_path: Path, array: np.ndarray, sentence: str
) -> None:
    np.savez(tmp_path / "a.npz", images=array)
    with pytest.raises(DataError, match=sentence):
        open_source(tmp_path / "a.npz")


def test_nan_labels_are_refused_or_left_out(tmp_path: Path) -> None:
    gaze = GAZE.copy()
    gaze[3, 1] = np.nan
    np.savez(tmp_path / "a.npz", images=IMAGES, gaze=gaze)
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "a.npz")
    assert caught.value.what == (
        "labels: 4 matched, 1 missing (first: 000003: gaze is NaN), 0 extra"
    )
    source = open_source(tmp_path / "a.npz", DataPolicy(missing_labels="skip"))
    assert source.names == ["000000", "000001", "000002", "000004"]
    assert np.array_equal(source.read(3)[..., 0], IMAGES[4])


class Canary:
    """A pickle that would write a file when loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_object_arrays_are_refused_and_run_nothing(tmp_path: Path, suffix: str) -> None:
    objects = np.array([Canary(tmp_path / "canary")], dtype=object)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, objects)
    else:
        np.savez(path, images=IMAGES, labels=objects)
    with pytest.raises(DataError, match="object arrays are pickles, and pickles can run code"):
        open_source(path)
    assert not (tmp_path / "canary").exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (300, 1024, 1024)}
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(300):
            member.write(bytes(1024 * 1024))
    with pytest.raises(DataError, match="like a zip bomb"):
        open_source(path)


@pytest.mark.parametrize("cut", [0, 4, 60, 200, 3000])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_cut_array_files_are_data_errors(tmp_path: Path, suffix: str, cut: int) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, IMAGES)
    elif suffix == ".npz":
        np.savez(path, images=IMAGES)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["images"] = IMAGES
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError):
        open_source(path)


def test_npy_is_mapped_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    packed = pack(open_source(tmp_path / "a.npy"))
    assert isinstance(packed.images, np.memmap)
    assert packed.images.filename == tmp_path / "a.npy"
    assert np.array_equal(packed.images[..., 0], IMAGES)


@pytest.mark.parametrize("dtype", [">u2", "<u2"])
def test_byte_order_does_not_matter(tmp_path: Path, dtype: str) -> None:
    deep = IMAGES.astype(np.uint16) * 200
    np.save(tmp_path / "a.npy", deep.astype(dtype))
    packed = pack(open_source(tmp_path / "a.npy"), DataPolicy(range="full"))
    assert packed.images.dtype == np.uint16
    assert np.array_equal(packed.images[..., 0], deep)


@pytest.fixture
def h5(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("set/images", data=IMAGES, chunks=(2, 24, 30), compression="gzip")
        file["set/gaze"] = GAZE
        file["set/names"] = [f"eye {i}" for i in range(5)]
        yield file, h5py


def test_hdf5_images_and_labels(tmp_path: Path, h5) -> None:
    h5[0].close()
    source = open_source(tmp_path / "a.h5")
    assert (source.format, len(source)) == ("hdf5", 5)
    assert np.array_equal(np.stack([source.read(i)[..., 0] for i in range(5)]), IMAGES)
    assert list(source.labels) == ["set/gaze"]


def test_hdf5_external_links_are_refused(tmp_path: Path, h5) -> None:
    file, h5py = h5
    file["x"] = h5py.ExternalLink("/etc/passwd", "/data")
    file.close()
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "a.h5")
    assert caught.value.what == "a.h5: external link 'x' \u2192 /etc/passwd refused"


def test_hdf5_soft_links_are_refused(tmp_path: Path, h5) -> None:
    file, h5py = h5
    file["x"] = h5py.SoftLink("/set")
    file.close()
    with pytest.raises(DataError, match="soft link 'x' \u2192 /set refused"):
        open_source(tmp_path / "a.h5")


def test_hdf5_external_storage_is_refused(tmp_path: Path, h5) -> None:
    file, _ = h5
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(720 * 5))
    file.create_dataset("raw", (5, 24, 30), "u1", external=[(str(outside), 0, 720 * 5)])
    file.close()
    with pytest.raises(DataError, match=r"external data 'raw' .* refused"):
        open_source(tmp_path / "a.h5")


def test_hdf5_virtual_datasets_are_refused(tmp_path: Path, h5) -> None:
    file, h5py = h5
    layout = h5py.VirtualLayout((5, 24, 30), "u1")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", (5, 24, 30))
    file.create_virtual_dataset("virtual", layout)
    file.close()
    with pytest.raises(DataError, match="virtual dataset 'virtual' reads other files; refused"):
        open_source(tmp_path / "a.h5")


def test_hdf5_that_unpacks_from_nothing_is_refused(tmp_path: Path, h5) -> None:
    file, _ = h5
    file.create_dataset("huge", (100_000, 1000, 1000), "u1", chunks=(1, 1000, 1000))
    file.close()
    with pytest.raises(DataError, match=r"unpacks from .* like a bomb"):
        open_source(tmp_path / "a.h5")


def test_hdf5_groups_in_a_circle_end(tmp_path: Path, h5) -> None:
    file, _ = h5
    file["set/again"] = file["set"]
    file.close()
    with pytest.raises(DataError, match="nested deeper"):
        open_source(tmp_path / "a.h5")


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_a_flipped_byte_is_a_data_error_or_harmless(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=IMAGES, chunks=(2, 24, 30), compression="gzip")
            file["gaze"] = GAZE
    else:
        np.savez_compressed(path, images=IMAGES, gaze=GAZE)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(flip_byte(whole, position))
        try:
            source = open_source(path)
            assert all(source.read(index).dtype == np.uint8 for index in range(len(source)))
        except DataError:
            refused += 1
    assert refused
