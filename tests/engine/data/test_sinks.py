"""Every container comes back as itself: other arrays, attributes, label files, depths."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_refine import (
    expected,
    identity_refiner,
    make_folder,
    make_run,
    pixels_of,
    random_images,
    random_refiner,
    refine_here,
    tree,
)

from simgan.engine.config import DataPolicy
from simgan.engine.data.folder_sink import FolderSink
from simgan.engine.data.image_encoding import encode_image
from simgan.engine.data.source import Origin
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError


def _gaze(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 2)).astype(np.float32)


def test_npy_stays_npy_with_its_shape_and_dtype(tmp_path: Path) -> None:
    images = random_images(5, 20, 22)
    np.save(tmp_path / "x.npy", images)
    refiner = random_refiner()
    result = refine_here(
        make_run(tmp_path, refiner), tmp_path / "x.npy", tmp_path / "y.npy", batch=2
    )
    refined = np.load(tmp_path / "y.npy")
    assert refined.shape == images.shape and refined.dtype == np.uint8
    for before, after in zip(images, refined, strict=True):
        np.testing.assert_array_equal(after, expected(refiner, before))
    assert result.output == tmp_path / "y.npy"
    assert result.manifest == tmp_path / "y.npy.manifest.jsonl"
    assert not list(tmp_path.glob(".y.npy*"))


@pytest.mark.parametrize("axis", [(), (1,)], ids=["NHW", "NHWC"])
def test_npz_keeps_its_other_arrays_byte_for_byte(tmp_path: Path, axis: tuple[int, ...]) -> None:
    images = random_images(5, 20, 22, *axis)
    arrays = {"person": np.arange(5), "eyes": images, "gaze": _gaze(5), "note": np.array("left")}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    refiner = random_refiner()
    refine_here(make_run(tmp_path, refiner), tmp_path / "x.npz", tmp_path / "y.npz")
    before, after = zipfile.ZipFile(tmp_path / "x.npz"), zipfile.ZipFile(tmp_path / "y.npz")
    assert after.namelist() == before.namelist()
    for name in before.namelist():
        assert (after.read(name) == before.read(name)) == (name != "eyes.npy")
    refined = np.load(tmp_path / "y.npz")["eyes"]
    assert refined.shape == images.shape and refined.dtype == images.dtype
    np.testing.assert_array_equal(
        refined[4], expected(refiner, images[4].reshape(20, 22, 1)).reshape(images[4].shape)
    )


def test_npz_of_a_part_of_the_images_has_the_same_part_of_the_labels(tmp_path: Path) -> None:
    gaze = _gaze(6)
    np.savez(tmp_path / "x.npz", images=random_images(6, 8, 8), gaze=gaze, mean=np.zeros(3))
    refine_here(make_run(tmp_path), tmp_path / "x.npz", tmp_path / "y.npz", data={"limit": 4})
    refined = np.load(tmp_path / "y.npz")
    assert refined["images"].shape == (4, 8, 8) and refined["mean"].shape == (3,)
    np.testing.assert_array_equal(refined["gaze"], gaze[:4])


def test_hdf5_keeps_other_datasets_and_attributes(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    images = random_images(5, 20, 22)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["camera"] = "left"
        made = file.create_dataset(
            "data/images", data=images, chunks=(2, 20, 22), compression="gzip"
        )
        made.attrs["unit"] = "gray"
        file["data/gaze"] = _gaze(5)
        file["data"].attrs["version"] = 3
        file["names"] = [b"a", b"b", b"c", b"d", b"e"]
    refiner = random_refiner()
    refine_here(make_run(tmp_path, refiner), tmp_path / "x.h5", tmp_path / "y.h5")
    with h5py.File(tmp_path / "y.h5") as file:
        assert file.attrs["camera"] == "left" and file["data"].attrs["version"] == 3
        assert file["data/images"].attrs["unit"] == "gray"
        assert file["data/images"].compression == "gzip"
        np.testing.assert_array_equal(file["data/gaze"][...], _gaze(5))
        assert list(file["names"]) == [b"a", b"b", b"c", b"d", b"e"]
        for before, after in zip(images, file["data/images"], strict=True):
            np.testing.assert_array_equal(after, expected(refiner, before))


def test_procedural_eyes_become_a_folder_with_a_label_table(tmp_path: Path) -> None:
    location = "procedural:synthetic?count=5&seed=1"
    refine_here(make_run(tmp_path), location, tmp_path / "out")
    source = open_source(location)
    lines = (tmp_path / "out" / "labels.csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["name", "pitch", "yaw"]
    assert [line.split(",")[0] for line in lines[1:]] == source.names
    columns = list(zip(*(line.split(",") for line in lines[1:]), strict=True))
    for number, column in enumerate(source.labels["gaze"].T, start=1):
        np.testing.assert_array_equal(np.array(columns[number], np.float32), column)
    for name in source.names:
        assert pixels_of(tmp_path / "out" / name).shape == (35, 55)
    assert refine_here(tmp_path / "run", location, tmp_path / "out").refined == 0
    again = open_source(tmp_path / "out")
    assert again.names == source.names
    np.testing.assert_array_equal(again.labels["pitch"], source.labels["gaze"][:, 0])


def test_an_array_can_become_png_files_with_its_labels(tmp_path: Path) -> None:
    images, gaze = random_images(3, 8, 8, dtype=np.uint16), _gaze(3)
    np.savez(tmp_path / "x.npz", images=images, gaze=gaze)
    run = make_run(tmp_path, identity_refiner())
    refine_here(run, tmp_path / "x.npz", tmp_path / "out", format="png", data={"range": "full"})
    names = ["000000.png", "000001.png", "000002.png"]
    for name, before in zip(names, images, strict=True):
        assert np.abs(pixels_of(tmp_path / "out" / name).astype(int) - before).max() <= 1
    table = (tmp_path / "out" / "labels.csv").read_text().splitlines()
    assert table[0] == "name,pitch,yaw" and table[1].startswith("000000.png,")
    assert np.float32(table[3].split(",")[2]) == gaze[2, 1]


@pytest.mark.parametrize("container", ["npz", "npy", "hdf5"])
def test_a_folder_can_become_an_array_and_loses_no_label(tmp_path: Path, container: str) -> None:
    source = make_folder(tmp_path / "in")
    result = refine_here(make_run(tmp_path), source, tmp_path / "out", format=container)
    assert result.output.parent == tmp_path / "out" and result.count == 7
    carried = tree(tmp_path / "out" / f"{result.output.name}.labels")
    kept = {name: data for name, data in tree(source).items() if not name.endswith(".png")}
    assert carried == kept
    if container == "npz":
        arrays = np.load(result.output)
        assert list(arrays["names"]) == open_source(source).names
        assert arrays["images"].shape == (7, 24, 30)
    if container == "npy":
        assert np.load(result.output).shape == (7, 24, 30)


def test_images_of_two_sizes_do_not_go_into_one_array(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    Image.fromarray(random_images(1, 9, 9)[0]).save(source / "3.png")
    (source / "3.json").write_text("{}")
    with pytest.raises(DataError, match="one array cannot hold both"):
        refine_here(make_run(tmp_path), source, tmp_path / "out", format="npz")


def test_two_files_never_get_one_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a.bmp"):
        Image.fromarray(random_images(1, 9, 9)[0]).save(tmp_path / "in" / name)
    with pytest.raises(DataError, match=r"would both become a\.png"):
        refine_here(make_run(tmp_path), tmp_path / "in", tmp_path / "out", format="png")


@pytest.mark.parametrize("label", [False, True], ids=["image", "label"])
def test_foreign_files_are_never_overwritten(tmp_path: Path, label: bool) -> None:
    source = make_folder(tmp_path / "in")
    foreign = tmp_path / "out" / "sub" / ("3.json" if label else "3.png")
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    with pytest.raises(DataError, match="exists and was not written by refine") as caught:
        refine_here(make_run(tmp_path), source, tmp_path / "out")
    assert str(foreign) in caught.value.what
    assert tree(tmp_path / "out") == {foreign.relative_to(tmp_path / "out").as_posix(): b"mine"}


def test_a_foreign_array_or_manifest_is_never_overwritten(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", random_images(2, 8, 8))
    np.save(tmp_path / "y.npy", np.zeros(3))
    before = (tmp_path / "y.npy").read_bytes()
    with pytest.raises(DataError, match=r"y\.npy exists and was not written by refine"):
        refine_here(make_run(tmp_path), tmp_path / "x.npy", tmp_path / "y.npy")
    assert (tmp_path / "y.npy").read_bytes() == before
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match=r"manifest\.json exists and was not written by refine"):
        refine_here(make_run(tmp_path / "b"), tmp_path / "x.npy", tmp_path / "out", format="png")


def test_files_are_not_written_through_links_out_of_the_output(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "victim")
    with pytest.raises(DataError, match="leads out of"):
        refine_here(make_run(tmp_path), source, tmp_path / "out")
    assert not list((tmp_path / "victim").iterdir())


def test_a_refined_set_can_be_refined_again(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "in")
    refine_here(run, source, tmp_path / "once")
    result = refine_here(run, tmp_path / "once", tmp_path / "twice")
    assert result.count == 7 and tree(tmp_path / "twice").keys() == tree(tmp_path / "once").keys()
    summary = json.loads((tmp_path / "twice" / "manifest.json").read_text())
    assert summary["input"]["location"] == str(tmp_path / "once")


def test_a_manifest_that_belongs_to_the_data_is_carried(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    (source / "manifest.json").write_text('{"licence": "CC"}')
    result = refine_here(make_run(tmp_path), source, tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").read_text() == '{"licence": "CC"}'
    assert result.manifest == tmp_path / "out" / "refine" / "manifest.jsonl"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_files_hold_every_bit(kind: str, channels: int) -> None:
    image = random_images(1, 13, 9, channels, dtype=np.uint16)[0]
    data = encode_image(image, kind)
    if kind == "TIFF":
        tifffile = pytest.importorskip("tifffile")
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)).reshape(image.shape), image)
    elif channels == 1:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image[..., 0])
    else:
        # Pillow reads the high bytes of 16-bit RGB; the CRCs and the size are checked with them.
        high = np.asarray(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(high, (image >> 8).astype(np.uint8))


def test_depth_of_the_nyu_hands_is_split_into_green_and_blue() -> None:
    depth = np.array([[[0], [255]], [[256], [1999]]], np.uint16)
    pixels = np.asarray(Image.open(io.BytesIO(encode_image(depth, "NYU")))).astype(int)
    assert pixels.shape == (2, 2, 3) and not pixels[..., 0].any()
    np.testing.assert_array_equal(pixels[..., 1] * 256 + pixels[..., 2], depth[..., 0])


def test_what_a_format_cannot_hold_is_refused() -> None:
    with pytest.raises(DataError, match="JPEG cannot hold 16-bit gray images"):
        encode_image(np.zeros((4, 4, 1), np.uint16), "JPEG", "x.jpg")


def test_content_decides_the_format_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = random_images(1, 9, 9)[0]
    Image.fromarray(pixels).save(tmp_path / "in" / "a.jpg", "PNG")
    refine_here(make_run(tmp_path, identity_refiner()), tmp_path / "in", tmp_path / "out")
    assert Image.open(tmp_path / "out" / "a.jpg").format == "PNG"
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "a.jpg"), pixels)


def test_every_frame_becomes_an_image(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(pixels) for pixels in random_images(3, 24, 24)]
    frames[0].save(tmp_path / "in" / "a.tif", save_all=True, append_images=frames[1:])
    source = open_source(tmp_path / "in", DataPolicy(frames="all"))
    refine_here(
        make_run(tmp_path, identity_refiner()),
        tmp_path / "in",
        tmp_path / "out",
        data={"frames": "all"},
    )
    for index, name in enumerate(source.names):
        refined = pixels_of(tmp_path / "out" / f"{name}.png")
        np.testing.assert_array_equal(refined, source.read(index)[..., 0])


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "b/../../x.png", "b/.."])
def test_a_name_that_leads_out_of_the_output_is_refused(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "x.npz", images=random_images(3, 16, 16))
    source = open_source(tmp_path / "x.npz")
    source.names = ["a.png", "b/a.png", name]
    sink = FolderSink(source, tmp_path / "sub" / "out", always_png=False)
    sink._files = source.names
    for index in range(2):
        sink.write(index, source.read(index), Origin(""))
    with pytest.raises(DataError, match="leads out of"):
        sink.write(2, source.read(2), Origin(""))
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert written == ["sub/out/a.png", "sub/out/b/a.png"]
