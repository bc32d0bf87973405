"""Folders of images: order, links, labels beside images and labels in a table."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from corpus import animation, encode, gray_images, with_orientation, write_folder

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError

SKIP = DataPolicy(missing_labels="skip")


def add_json(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).with_suffix(".json").write_text(json.dumps({"box": [1, 2, 3, 4]}))


def test_names_are_relative_natural_and_complete(tmp_path: Path) -> None:
    image = encode(gray_images(1)[0], "PNG")
    for name in (
        "10.png",
        "2.png",
        "b/1.png",
        "a/deep/\u00fcber \u76ee.png",
        "A.PNG",
        ".hidden.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(image)
    source = open_source(tmp_path)
    assert source.format == "image-folder"
    assert source.names == ["2.png", "10.png", "A.PNG", "a/deep/\u00fcber \u76ee.png", "b/1.png"]
    assert source.read(3).shape == (24, 30, 1)


def test_an_empty_folder_and_a_missing_one_have_their_own_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in"):
        open_source(tmp_path)
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_source(tmp_path / "nowhere")


def test_sidecars_belong_to_their_image_and_other_files_to_the_set(tmp_path: Path) -> None:
    names = write_folder(tmp_path / "d", gray_images(2))
    add_json(tmp_path / "d", names)
    (tmp_path / "d" / "1.txt").write_text("0 0.5 0.5 0.1 0.1")
    (tmp_path / "d" / "2.txt").write_text("0 0.5 0.5 0.1 0.1")
    (tmp_path / "d" / "classes.txt").write_text("eye")
    source = open_source(tmp_path / "d")
    root = (tmp_path / "d").resolve()
    assert source.sidecars(0) == [("1.json", root / "1.json"), ("1.txt", root / "1.txt")]
    assert source.shared_files() == [("classes.txt", root / "classes.txt")]


def test_missing_and_extra_label_files_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    names = write_folder(folder, gray_images(6))
    add_json(folder, names)
    (folder / "4.json").unlink()
    with pytest.raises(DataError) as caught:
        open_source(folder)
    assert caught.value.what == "labels: 5 matched, 1 missing (first: 4.json), 0 extra"
    (folder / "99.json").write_text("{}")
    with pytest.raises(DataError, match=r"1 missing \(first: 4.json\), 1 extra"):
        open_source(folder)


def test_images_without_label_can_be_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    names = write_folder(folder, gray_images(6))
    add_json(folder, names)
    (folder / "4.json").unlink()
    source = open_source(folder, SKIP)
    assert source.names == ["1.png", "2.png", "3.png", "5.png", "6.png"]
    assert [(p.name, p.reason) for p in source.skipped] == [("4.png", "no label: 4.json")]
    assert np.array_equal(source.read(3)[..., 0], gray_images(6)[4])


def table(folder: Path, rows: list[str], header: str = "file,yaw,eye") -> None:
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")


def test_a_table_gives_labels_by_name_in_any_order(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    table(tmp_path / "d", ["3.png,0.3,L", "1.png,0.1,R", "2.png,0.2,L"])
    source = open_source(tmp_path / "d")
    assert list(source.labels) == ["yaw"]
    assert np.allclose(source.labels["yaw"], [0.1, 0.2, 0.3])
    assert [name for name, _ in source.shared_files()] == ["labels.csv"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["1.png,1,L", "2.png,2,L"], "2 matched, 1 missing (first: 3.png in labels.csv), 0 extra"),
        (
            ["1.png,1,L", "2.png,2,L", "3.png,3,L", "4.png,4,L"],
            "3 matched, 0 missing, 1 extra (first: 4.png)",
        ),
        (
            ["1.png,1,L", "2.png,nan,L", "3.png,3,L"],
            "2 matched, 1 missing (first: 2.png: yaw is nan in labels.csv), 0 extra",
        ),
        (
            ["1.png,1,L", "2.png,,L", "3.png,3,L"],
            "2 matched, 1 missing (first: 2.png: yaw is empty in labels.csv), 0 extra",
        ),
    ],
    ids=["missing", "extra", "nan", "empty"],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, rows: list[str], sentence: str
) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    table(tmp_path / "d", rows)
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "d")
    assert caught.value.what == f"labels: {sentence}"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["1.png,1,L", "1.png,2,L", "3.png,3,L"], r"labels\.csv names 1\.png twice"),
        (["1.png,1,L", "2.png,x,L", "3.png,3,L"], "column yaw holds 'x' among numbers"),
        (["1.png,1,L,9", "2.png,2,L", "3.png,3,L"], "line 2 has more cells than the header"),
    ],
    ids=["twice", "text", "cells"],
)
def test_a_table_that_cannot_be_understood_is_refused(
    tmp_path: Path, rows: list[str], sentence: str
) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    table(tmp_path / "d", rows)
    with pytest.raises(DataError, match=sentence):
        open_source(tmp_path / "d")


def test_skipped_images_take_their_table_rows_with_them(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    table(tmp_path / "d", ["1.png,1,L", "2.png,nan,L", "3.png,3,L"])
    source = open_source(tmp_path / "d", SKIP)
    assert source.names == ["1.png", "3.png"]
    assert source.labels["yaw"].tolist() == [1, 3]


def test_limit_keeps_the_first_images_and_their_labels(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    table(tmp_path / "d", ["1.png,1,L", "2.png,2,L", "3.png,3,L"])
    source = open_source(tmp_path / "d", DataPolicy(limit=2))
    assert source.names == ["1.png", "2.png"]
    assert source.labels["yaw"].tolist() == [1, 2]


def test_a_link_cycle_is_followed_once_and_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "data" / "a", gray_images(2))
    (tmp_path / "data" / "a" / "b").symlink_to(tmp_path / "data", target_is_directory=True)
    source = open_source(tmp_path / "data")
    assert source.names == ["a/1.png", "a/2.png"]
    assert list(source.notes) == ["link cycle at data/a/b, skipped"]


def test_links_out_of_the_folder_are_not_followed_but_counted(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", gray_images(200))
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode(gray_images(1)[0], "PNG"))
    (tmp_path / "data" / "link.png").symlink_to(secret)
    (tmp_path / "data" / "broken.png").symlink_to(tmp_path / "nothing.png")
    source = open_source(tmp_path / "data")
    assert len(source) == 200
    reasons = {problem.name: problem.reason for problem in source.skipped}
    assert reasons["link.png"].startswith("link leads out of the data folder, to ")
    assert reasons["broken.png"] == "link to nothing"
    assert {problem.name for problem in pack(source).problems} == {"link.png", "broken.png"}


def test_a_folder_linked_twice_is_read_once(tmp_path: Path) -> None:
    write_folder(tmp_path / "data" / "z", gray_images(2))
    (tmp_path / "data" / "a").symlink_to("z", target_is_directory=True)
    source = open_source(tmp_path / "data")
    assert source.names == ["z/1.png", "z/2.png"]
    assert list(source.notes) == ["second link to a folder at data/a, skipped"]


def test_all_frames_become_images_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "anim.gif").write_bytes(animation("GIF"))
    (tmp_path / "one.png").write_bytes(encode(gray_images(1)[0], "PNG"))
    source = open_source(tmp_path, DataPolicy(frames="all"))
    assert source.names == ["anim.gif#0", "anim.gif#1", "anim.gif#2", "anim.gif#3", "one.png"]
    frames = np.stack([source.read(index)[..., 0] for index in range(4)])
    assert np.array_equal(frames, gray_images(4, 5))


def test_an_image_is_loaded_with_the_hash_and_the_head_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "anim.gif").write_bytes(animation("GIF"))
    (tmp_path / "one.png").write_bytes(encode(gray_images(1)[0], "PNG"))
    source = open_source(tmp_path, DataPolicy(frames="all"))
    digests = set()
    for index, name in enumerate(source.names):
        pixels, origin = source.load(index)
        assert np.array_equal(pixels, source.read(index))
        file, _, frame = name.partition("#")
        data = (tmp_path / file).read_bytes()
        marked = f"#{frame}".encode() + data if frame else data
        assert origin.digest == hashlib.blake2b(marked, digest_size=16).hexdigest()
        assert origin.digest == source.input_digest(index)
        assert origin.head == (b"" if frame else data[:25])  # a frame is no file to be mirrored
        digests.add(origin.digest)
    assert len(digests) == 5


def test_a_member_of_an_array_is_loaded_with_the_hash_of_its_pixels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.asfortranarray(gray_images(3)))
    source = open_source(tmp_path / "x.npz")
    for index in range(3):
        pixels, origin = source.load(index)
        plain = f"uint8 {pixels.shape}".encode() + gray_images(3)[index].tobytes()
        assert origin.digest == hashlib.blake2b(plain, digest_size=16).hexdigest()
        assert origin.digest == source.input_digest(index) and origin.head == b""


def test_rotated_images_with_labels_are_refused_until_declared(tmp_path: Path) -> None:
    (tmp_path / "img.png").write_bytes(with_orientation(gray_images(1)[0], 6))
    assert open_source(tmp_path).read(0).shape == (30, 24, 1)
    (tmp_path / "img.json").write_text("{}")
    with pytest.raises(DataError, match=r"img\.png is rotated by EXIF 6 but has labels"):
        open_source(tmp_path).read(0)
    assert open_source(tmp_path, DataPolicy(exif="ignore")).read(0).shape == (24, 30, 1)


def test_reading_changes_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write_folder(folder, gray_images(3))
    table(folder, ["1.png,1,L", "2.png,2,L", "3.png,3,L"])
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    os.chmod(folder, 0o555)
    try:
        pack(open_source(folder))
    finally:
        os.chmod(folder, 0o755)
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before


def test_pickles_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "set.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"refusing .*set\.pkl: pickle files can run code"):
        open_source(tmp_path / "set.pkl")
