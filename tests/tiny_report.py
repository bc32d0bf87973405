"""The smallest run with everything a page can show, trained once for several tests."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_evaluate
from html_page import Page

from simgan.engine.evaluation.evaluation import evaluate
from simgan.engine.reporting import report
from simgan.engine.trainer import train

PNG = (  # 1x1, gray
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def make(folder: Path) -> Path:
    """A trained run with an evaluation in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMGAN_CACHE", str(folder / "cache"))
        run = train(tiny.tiny_config(folder)).run
        evaluate(
            tiny_evaluate.tiny_config(
                train=("one=procedural:synthetic?count=60&seed=1", f"two={tiny_evaluate.CAMERA}3"),
                out=str(run / "evaluation"),
                baselines=False,
            )
        )
    return run


def copy_of(run: Path, folder: Path) -> Path:
    """A run that a test may damage; its data stays where it was."""
    return Path(shutil.copytree(run, folder / "copied"))


def page_of(run: Path, output: Path | None = None, **parts: str | Path) -> Page:
    """The page of a run, read again."""
    return Page(report(run, output, parts).read_text(encoding="utf-8"))


def hostile_folder(folder: Path, names: list[str]) -> str:
    """A folder of images with these names."""
    from PIL import Image

    folder.mkdir(parents=True)
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 256, tiny.SIZE, np.uint8)
        Image.fromarray(pixels).save(folder / name, "PNG")
    return str(folder)
