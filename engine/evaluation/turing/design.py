"""The design of a test: its images with their truth, and who is shown how many. Frozen on disk.

test.json and images.npz hold all a test needs, so that a set that is refined anew meanwhile
changes neither the rest of a test nor its results.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.durable import digest, disk_error, replace_file
from simgan.engine.errors import DataError

TEST_FILE, PIXELS_FILE = "test.json", "images.npz"
FORMAT = 1
REAL, REFINED, SYNTHETIC = "real", "refined", "synthetic"
PRACTICE = "practice"
PARTS = (REFINED, SYNTHETIC)  # the parts of a test, named after what is not real in them


@dataclass(frozen=True)
class Picture:
    """One image of a test.

    Attributes:
        kind: real, refined or synthetic.
        name: in its set.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Design:
    """What is shown.

    Attributes:
        settings: sets, numbers and seed that the images were chosen by.
        pictures: all images.
        blocks: numbers of images by block; `practice` where there is one, then `refined` and,
            with raw synthetic images, `synthetic`. Half of each block are real.
        pixels: uint8 [N, H, W, C], as they are shown.
    """

    settings: dict[str, Any]
    pictures: list[Picture]
    blocks: dict[str, list[int]]
    pixels: NDArray[np.uint8]

    @property
    def parts(self) -> list[str]:
        """The blocks that count, in the order in which they are judged."""
        return [part for part in PARTS if part in self.blocks]

    def is_real(self, image: int) -> bool:
        """The truth about an image."""
        return self.pictures[image].kind == REAL


def make_folder(folder: Path) -> None:
    """Make the folder of a test where there is none.

    Raises:
        DiskError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error


def save(design: Design, folder: Path) -> None:
    """Write a new test; test.json comes last.

    Raises:
        DiskError: it cannot be written.
    """
    packed = io.BytesIO()
    np.savez_compressed(packed, pixels=design.pixels)
    facts = {
        "tool": "simgan-engine turing",
        "format": FORMAT,
        "settings": design.settings,
        "blocks": design.blocks,
        "pictures": [asdict(picture) for picture in design.pictures],
        "pixels": digest(packed.getvalue()),
    }
    replace_file(folder / PIXELS_FILE, packed.getvalue())
    replace_file(folder / TEST_FILE, (json.dumps(facts, indent=1) + "\n").encode())


def load(folder: Path) -> Design:
    """The test in a folder.

    Raises:
        DataError: there is none, or it is damaged.
    """
    file = folder / TEST_FILE
    try:
        facts = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} holds no visual Turing test: there is no {TEST_FILE}",
            fix="Start one with 'simgan-engine turing --refined PATH --real PATH'.",
        ) from None
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}") from error
    try:
        if facts["format"] != FORMAT:
            raise DataError(f"{file} has format {facts['format']}, {FORMAT} is expected")
        return Design(
            settings=dict(facts["settings"]),
            pictures=[Picture(**picture) for picture in facts["pictures"]],
            blocks={name: list(map(int, images)) for name, images in facts["blocks"].items()},
            pixels=_pixels(folder / PIXELS_FILE, facts),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged: {error!r}") from error


def _pixels(file: Path, facts: Mapping[str, Any]) -> NDArray[np.uint8]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    if digest(data) != facts["pixels"]:
        raise DataError(f"{file} is damaged: it is not the file that {TEST_FILE} was written with")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            pixels: NDArray[np.uint8] = arrays["pixels"]
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is damaged: {error}") from error
    if len(pixels) != len(facts["pictures"]):
        raise DataError(f"{file} is damaged: {len(pixels)} images, not {len(facts['pictures'])}")
    return pixels
