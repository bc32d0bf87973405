"""The words of `simgan-engine inspect`."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from corpus import encode, gray16_image, gray_images, write_folder

from simgan.cli.inspect import command


def test_a_healthy_set_is_summarised(in_tmp: Path) -> None:
    np.savez("a.npz", images=gray_images(3), gaze=np.zeros((3, 2), np.float32))
    result = CliRunner().invoke(command, ["a.npz"])
    assert result.exit_code == 0, result.output
    for words in ("npz", "24x30 (3)", "gray (3)", "8-bit (3)", "gaze", "train would accept"):
        assert words in result.output


def test_json_is_one_object(in_tmp: Path) -> None:
    write_folder(Path("d"), gray_images(3))
    result = CliRunner().invoke(command, ["d", "--json"])
    assert json.loads(result.stdout)["count"] == 3


def test_settings_reach_the_policy(in_tmp: Path) -> None:
    Path("d").mkdir()
    Path("d/x.png").write_bytes(encode(gray16_image(), "PNG"))
    asked = CliRunner().invoke(command, ["d"])
    assert "x.png is 16-bit; set data.range" in asked.output
    told = CliRunner().invoke(command, ["d", "--set", "data.range=full"])
    assert "train would accept this set" in told.output
    assert "0 and 65535" in told.output


def test_every_refused_file_is_named_with_its_reason(in_tmp: Path) -> None:
    write_folder(Path("d"), gray_images(3))
    Path("d/broken.png").write_bytes(b"")
    result = CliRunner().invoke(command, ["d", "--contact-sheet", "sheet.png"])
    assert "broken.png: empty file" in result.output
    assert "1 of 4 images unreadable (25.0 % > 1 %)" in result.output
    assert Path("sheet.png").stat().st_size > 500
