"""What `inspect` reports, draws and says it would refuse; and that it changes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus import (
    animation,
    damaged,
    encode,
    gray16_image,
    gray_images,
    png_bomb,
    write_folder,
    write_unityeyes,
)
from PIL import Image

from simgan.engine.config import DataPolicy
from simgan.engine.errors import DataError
from simgan.engine.inspection import inspect


def test_a_healthy_set_is_described_and_accepted(tmp_path: Path) -> None:
    images = gray_images(5)
    np.savez(tmp_path / "a.npz", images=images, gaze=np.array([[0, 1]] * 4 + [[2, -1]]))
    report = inspect(tmp_path / "a.npz")
    assert report["format"] == "npz"
    assert (report["count"], report["total"]) == (5, 5)
    assert report["sizes"] == [{"height": 24, "width": 30, "count": 5}]
    assert report["channels"] == {"1": 5}
    assert report["dtypes"] == {"uint8": 5}
    assert report["value_range"] == [0, 255]
    assert report["values"]["min"] == images.min()
    assert report["values"]["max"] == images.max()
    assert report["values"]["mean"] == pytest.approx(images.mean())
    assert report["labels"]["gaze"]["min"] == [0, -1]
    assert report["labels"]["gaze"]["max"] == [2, 1]
    assert sum(report["histogram"]["counts"]) == images.size
    assert report["histogram"]["counts"][4] == int(((images >= 32) & (images < 40)).sum())
    assert report["would_refuse"] == []
    assert json.loads(json.dumps(report)) == report


def test_every_planted_fault_is_found_and_no_healthy_image_accused(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write_folder(folder, gray_images(20))
    for name, data in damaged().items():
        (folder / name).write_bytes(data)
    refusals = {"anim.gif": animation("GIF"), "bomb.png": png_bomb(9_000)}
    for name, data in refusals.items():
        (folder / name).write_bytes(data)
    report = inspect(folder)
    assert {entry["name"] for entry in report["problems"]} == set(damaged())
    assert {entry["name"] for entry in report["refused"]} == set(refusals)
    assert report["count"] == 20
    text = "\n".join(report["would_refuse"])
    assert "anim.gif has 4 frames; set data.frames" in text
    assert "13 of 35 images unreadable (37.1 % > 1 %), first: " in text
    assert "81 MP > limit 64 MP (data.max_pixels)" in text


def test_oddities_are_warned_about(tmp_path: Path) -> None:
    whole = encode(gray_images(1)[0], "PNG")
    (tmp_path / "a.png").write_bytes(whole[:-12])
    (tmp_path / "b.jpg").write_bytes(whole)
    warnings = {entry["name"]: entry["warning"] for entry in inspect(tmp_path)["warnings"]}
    assert warnings == {
        "a.png": "no end (IEND); the file may be cut off",
        "b.jpg": "named like jpeg but holds png",
    }


def test_undecided_sets_are_refused_in_the_words_of_train(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", gray_images(2))
    (tmp_path / "d" / "big.png").write_bytes(encode(gray_images(1, size=(50, 50))[0], "PNG"))
    (tmp_path / "d" / "deep.png").write_bytes(encode(gray16_image(), "PNG"))
    text = "\n".join(inspect(tmp_path / "d")["would_refuse"])
    assert "images have 2 sizes: 3 of 24\u00d730, 1 of 50\u00d750" in text
    assert "3 images are 8-bit and 1 are 16-bit" in text
    text = "\n".join(inspect(tmp_path / "d", DataPolicy(size="24x30"))["would_refuse"])
    assert "sizes" not in text


def test_16_bit_without_a_range_is_refused_in_the_words_of_train(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encode(gray16_image(), "PNG"))
    report = inspect(tmp_path)
    assert report["would_refuse"][0].startswith("x.png is 16-bit; set data.range: full (0..65535)")
    assert report["value_range"] is None
    stated = inspect(tmp_path, DataPolicy(range="full"))
    assert (stated["would_refuse"], stated["value_range"]) == ([], [0, 65535])


def test_labels_that_do_not_fit_are_reported_with_the_rest(tmp_path: Path) -> None:
    write_unityeyes(tmp_path / "u", 3)
    (tmp_path / "u" / "3.json").unlink()
    report = inspect(tmp_path / "u")
    assert report["would_refuse"][0] == "labels: 2 matched, 1 missing (first: 3.json), 0 extra"
    assert report["count"] == 2
    assert report["labels"]["gaze"]["shape"] == [2, 2]


def test_a_contact_sheet_shows_the_images(tmp_path: Path) -> None:
    write_unityeyes(tmp_path / "u", 3)
    inspect(tmp_path / "u", contact_sheet=tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (4 + 70 + 14 + 4, 3 * (110 + 4) + 4, 3)
    assert sheet[4:74, 4:114].std() > 10


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        inspect(tmp_path / "nowhere")


def test_inspection_needs_no_torch(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=gray_images(2))
    code = (
        "import sys; from simgan.engine.inspection import inspect;"
        f"inspect({str(tmp_path / 'a.npz')!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
