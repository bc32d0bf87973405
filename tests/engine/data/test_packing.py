"""Packing: decoded once, atomically, with labels, ranges and the sentences of unfit sets."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from corpus import damaged, encode, gray16_image, gray_images, rgb_image, write_folder

from simgan.engine.config import DataPolicy
from simgan.engine.data import pack_cache
from simgan.engine.data.packing import ImageArray, pack
from simgan.engine.data.pixels import resize
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError, DiskError


def packed(path: Path, **policy: object) -> ImageArray:
    rules = DataPolicy(**policy)  # type: ignore[arg-type]
    return pack(open_source(path, rules), rules)


def test_a_packed_folder_holds_its_pixels_names_and_range(tmp_path: Path) -> None:
    images = gray_images(40)
    names = write_folder(tmp_path / "d", images)
    array = packed(tmp_path / "d")
    assert np.array_equal(array.images[..., 0], images)
    assert array.names == names
    assert (array.height, array.width, array.channels, len(array)) == (24, 30, 1, 40)
    assert array.value_range == (0, 255)
    assert isinstance(array.images, np.memmap)
    assert not array.images.flags.writeable


def test_the_second_time_nothing_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    first = packed(tmp_path / "d")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("simgan.engine.data.image_folder.decode_image", never)
    monkeypatch.setattr("simgan.engine.data.source.Source.value_limits", lambda _: (0.0, 255.0))
    assert packed(tmp_path / "d").fingerprint == first.fingerprint


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    images = gray_images(3)
    write_folder(tmp_path / "d", images)
    first = packed(tmp_path / "d")
    (tmp_path / "d" / "2.png").write_bytes(encode(255 - images[1], "PNG"))
    second = packed(tmp_path / "d")
    assert second.fingerprint != first.fingerprint
    assert np.array_equal(second.images[1, ..., 0], 255 - images[1])


def test_progress_ends_at_the_number_of_images(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    calls: list[tuple[int, int]] = []
    pack(open_source(tmp_path / "d"), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (3, 3)


def test_damaged_images_are_counted_named_and_lose_their_labels(tmp_path: Path) -> None:
    names = write_folder(tmp_path / "d", gray_images(120))
    rows = [f"{name},{index}" for index, name in enumerate(names)]
    (tmp_path / "d" / "labels.csv").write_text("\n".join(["file,number", *rows]))
    (tmp_path / "d" / "7.png").write_bytes(damaged()["half.png"])
    array = packed(tmp_path / "d")
    assert len(array) == 119
    assert [problem.name for problem in array.problems] == ["7.png"]
    assert array.labels["number"].tolist() == [n for n in range(120) if n != 6]
    assert array.skipped("runs/x/data-problems.jsonl") == (
        "skipped 1 of 120 images (0.83 %), list: runs/x/data-problems.jsonl"
    )


def test_too_many_damaged_images_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(10))
    (tmp_path / "d" / "3.jpg").write_bytes(damaged()["half.jpg"])
    with pytest.raises(DataError) as caught:
        packed(tmp_path / "d")
    assert caught.value.what == (
        "1 of 11 images unreadable (9.1 % > 1 %), first: 3.jpg: Premature end of JPEG file"
    )
    assert len(packed(tmp_path / "d", max_bad=0.1)) == 10


def test_images_left_out_for_want_of_a_label_are_no_damage(tmp_path: Path) -> None:
    gaze = np.zeros((10, 2), np.float32)
    gaze[:4] = np.nan
    np.savez(tmp_path / "a.npz", images=gray_images(10), gaze=gaze)
    array = packed(tmp_path / "a.npz", missing_labels="skip")
    assert (len(array), len(array.problems), array.total) == (6, 4, 10)


def test_a_set_with_no_readable_image_is_refused_whatever_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 1 images unreadable .*a\.png: empty file"):
        packed(tmp_path, max_bad=1.0)


def test_mixed_sizes_are_listed(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", gray_images(3))
    write_folder(tmp_path / "b", gray_images(2, size=(40, 50)))
    write_folder(tmp_path / "c", gray_images(1, size=(30, 30)))
    (tmp_path / "a").rename(tmp_path / "b" / "a")
    (tmp_path / "c").rename(tmp_path / "b" / "c")
    with pytest.raises(DataError) as caught:
        packed(tmp_path / "b")
    assert caught.value.what == (
        "images have 3 sizes: 3 of 24\u00d730, 2 of 40\u00d750, 1 of 30\u00d730"
    )
    assert caught.value.fix == "Set data.size=HxW, for example data.size=24x30."
    assert packed(tmp_path / "b", size="24x30").images.shape == (6, 24, 30, 1)


def test_images_below_the_discriminators_field_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    for name in ("x.png", "y.png"):
        (tmp_path / "d" / name).write_bytes(encode(np.zeros((1, 1), np.uint8), "PNG"))
    with pytest.raises(DataError) as caught:
        packed(tmp_path / "d", size="24x30")
    assert caught.value.what == (
        "2 images are 1\u00d71; minimum is 23\u00d723 (discriminator's field)"
    )


def test_mixed_channels_and_depths_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(2))
    (tmp_path / "d" / "rgb.png").write_bytes(encode(rgb_image(), "PNG"))
    with pytest.raises(DataError, match="2 images are gray and 1 are RGB"):
        packed(tmp_path / "d")
    assert packed(tmp_path / "d", channels="gray").channels == 1
    assert packed(tmp_path / "d", channels="rgb").channels == 3
    (tmp_path / "d" / "rgb.png").write_bytes(encode(gray16_image(), "PNG"))
    with pytest.raises(DataError, match="2 images are 8-bit and 1 are 16-bit"):
        packed(tmp_path / "d")


def test_16_bit_needs_a_stated_range(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encode(gray16_image(), "PNG"))
    with pytest.raises(DataError) as caught:
        packed(tmp_path)
    assert caught.value.what.startswith("x.png is 16-bit; set data.range: full (0..65535)")
    assert caught.value.what.endswith("\u2014 not guessed")


@pytest.mark.parametrize(
    ("rule", "limits", "clipped"),
    [
        ("full", (0, 65535), 0),
        ("minmax", (1000, 1999), 0),
        ("percentile", (1000, 1998), 1),
        ("1100..1899", (1100, 1899), 200),
    ],
)
def test_the_range_holds_for_the_whole_set(
    tmp_path: Path, rule: str, limits: tuple[float, float], clipped: int
) -> None:
    values = np.arange(1000, 2000, dtype=np.uint16).reshape(1, 25, 40)
    np.save(tmp_path / "a.npy", np.concatenate([values]))
    array = packed(tmp_path / "a.npy", range=rule)
    assert array.value_range == limits
    assert array.clipped == clipped


def test_an_image_of_one_value_has_no_minmax(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 24, 30), 7, np.uint8))
    with pytest.raises(DataError, match=r"finds no range: .* all pixels are 7"):
        packed(tmp_path / "a.npy", range="minmax")


def test_points_follow_a_resize_and_other_labels_do_not(tmp_path: Path) -> None:
    points = np.array([[10.0, 6.0], [15.0, 12.0]], np.float32)
    joints = np.array([[[10.0, 6.0, 700.0]], [[15.0, 12.0, 800.0]]], np.float32)
    np.savez(
        tmp_path / "a.npz", images=gray_images(2), pupil_center=points, joints=joints, gaze=points
    )
    array = packed(tmp_path / "a.npz", size="48x90")
    assert np.allclose(array.labels["pupil_center"], points * (3, 2))
    assert np.allclose(array.labels["joints"], joints * (3, 2, 1))
    assert np.array_equal(array.labels["gaze"], points)


def test_16_bit_resize_is_as_exact_as_8_bit() -> None:
    narrow = gray_images(1, size=(60, 80))[0][..., None]
    deep = resize(narrow.astype(np.uint16) * 257, 24, 30)
    assert deep.dtype == np.uint16
    # At 8 bits each of Pillow's two passes rounds, by up to half a level.
    assert np.abs(deep / 257 - resize(narrow, 24, 30)).max() <= 1.2


def test_resize_does_not_alias() -> None:
    stripes = np.zeros((96, 96, 1), np.uint8)
    stripes[:, ::2] = 255
    shrunk = resize(stripes, 24, 24)[:, 2:-2]
    assert np.abs(shrunk.astype(int) - 127).max() <= 3


def _pack_in_process(path: str, cache: str) -> str:
    return pack(open_source(path), cache=Path(cache)).fingerprint


def test_two_processes_may_pack_at_once(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(60))
    cache = str(tmp_path / "cache")
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        work = [(str(tmp_path / "d"), cache)] * 4
        prints = pool.starmap(_pack_in_process, work, chunksize=1)
    assert len(set(prints)) == 1
    assert [p.name for p in Path(cache).glob(".tmp-*")] == []


def test_a_damaged_pack_is_made_again(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    cache = tmp_path / "cache"
    first = pack(open_source(tmp_path / "d"), cache=cache).fingerprint
    (entry,) = cache.iterdir()
    (entry / "images.npy").write_bytes(b"\x93NUMPY")
    assert pack(open_source(tmp_path / "d"), cache=cache).fingerprint == first


def test_a_failed_pack_leaves_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(3))
    (tmp_path / "d" / "4.png").write_bytes(encode(gray_images(1, size=(30, 30))[0], "PNG"))
    with pytest.raises(DataError):
        pack(open_source(tmp_path / "d"), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_a_disk_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_folder(tmp_path / "d", gray_images(3))
    monkeypatch.setattr(pack_cache, "write_facts", full)
    with pytest.raises(DiskError, match="cannot write the cache"):
        pack(open_source(tmp_path / "d"), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_home_the_cache_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.delenv("SIMGAN_CACHE")
    monkeypatch.setenv("HOME", str(blocked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert pack_cache.cache_root(None).parent == tmp_path
    monkeypatch.setenv("SIMGAN_CACHE", str(blocked))
    with pytest.raises(DiskError, match="cannot write the cache in"):
        pack_cache.cache_root(None)
