"""The smallest visual Turing test, and raters that play it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny import tiny_images

from simgan.engine.evaluation.turing.config import Raters
from simgan.engine.evaluation.turing.design import Design, Picture
from simgan.engine.evaluation.turing.panel import Panel, Rater

SIZE = (24, 28)


def image_folder(folder: Path, prefix: str, count: int, seed: int, channels: int = 1) -> str:
    """PNG files PREFIX-000.png and so on, of 24x28 pixels; the folder's path."""
    folder.mkdir(parents=True)
    for index, pixels in enumerate(tiny_images(count, seed, channels)):
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        image.save(folder / f"{prefix}-{index:03}.png")
    return str(folder)


def tiny_sets(folder: Path, count: int = 12) -> dict[str, str]:
    """Two folders of images, for `refined` and `real`."""
    return {
        "refined": image_folder(folder / "secretly-made", "forged", count, 1),
        "real": image_folder(folder / "secretly-taken", "genuine", count, 2),
    }


def settings_for(folder: Path, **changes: Any) -> dict[str, Any]:
    """Settings of a test of eight images on sets that are written below `folder`."""
    values = {**tiny_sets(folder / "data"), "out": str(folder / "test")}
    return {**values, "images": 8, "practice": 2, "browser": False, **changes}


def tiny_design(images: int = 8, practice: int = 0, control: int = 0) -> Design:
    """A design without files: image i is real when i is odd, and has the value i everywhere."""
    counts = {"practice": practice, "refined": images, "synthetic": control}
    pictures: list[Picture] = []
    blocks: dict[str, list[int]] = {}
    for block, count in counts.items():
        if not count:
            continue
        blocks[block] = list(range(len(pictures), len(pictures) + count))
        other = "synthetic" if block == "synthetic" else "refined"
        for image in blocks[block]:
            pictures.append(Picture("real" if image % 2 else other, f"name-{image:03}"))
    pixels = np.zeros((len(pictures), *SIZE, 1), np.uint8) + np.arange(
        len(pictures), dtype=np.uint8
    ).reshape(-1, 1, 1, 1)
    settings = {"sets": {}, "images": images, "seed": 0, "scaling": "smooth"}
    return Design(settings, pictures, blocks, pixels)


class Memory:
    """A log that is no file."""

    def __init__(self) -> None:
        self.acts: list[dict[str, Any]] = []

    def append(self, act: dict[str, Any]) -> None:
        self.acts.append(dict(act))


def tiny_panel(design: Design | None = None, raters: int = 1) -> Panel:
    """A panel whose log is `Memory`."""
    return Panel(design or tiny_design(), log=Memory(), raters=Raters(raters))  # type: ignore[arg-type]


def truth_of(panel: Panel, image: int) -> str:
    """The right answer."""
    return "real" if panel.design.is_real(image) else "synthetic"


def play(panel: Panel, name: str, *, wrong: tuple[int, ...] = (), finish: bool = True) -> Rater:
    """A rater who is right about all images but those in `wrong`, a second each."""
    rater = panel.join(name)
    while rater.upcoming(1):
        (image,) = rater.upcoming(1)
        right = truth_of(panel, image)
        other = "synthetic" if right == "real" else "real"
        panel.answer(rater, image, other if image in wrong else right, 1.0)
    if finish:
        panel.finish(rater)
    return rater
