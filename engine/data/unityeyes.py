"""UnityEyes: N.jpg with landmarks and gaze in N.json, cropped to the eye like the gaze sets.

Wood et al., "Learning an appearance-based gaze estimator from one million synthesised images",
ETRA 2016.
"""

import json
import math
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.file_tree import IMAGE_SUFFIXES, stem, suffix
from simgan.engine.data.headers import read_header
from simgan.engine.data.image_folder import ImageFolder
from simgan.engine.data.labels import match_labels
from simgan.engine.data.pixels import crop, resize
from simgan.engine.data.problems import BadImage

HEIGHT, WIDTH = 35, 55
HEADER_BYTES = 1 << 14  # enough for the header of nearly every file
PROBED = 20


@dataclass(frozen=True)
class Landmarks:
    """One JSON file: points [n, 2] (x, y) in px, y up from the bottom edge, and the gaze.

    Attributes:
        low: least x and y of interior-margin and caruncle landmarks.
        high: greatest x and y of them.
        pupil: mean of the iris landmarks.
        gaze: (pitch, yaw) in radians, pitch up and yaw to image right positive.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    pupil: tuple[float, float]
    gaze: tuple[float, float]

    def box(self, image_height: int, widen: float) -> tuple[int, int, int, int]:
        """The crop (left, top, right, bottom) in px of the image, y down from the top edge.

        Args:
            image_height: px.
            widen: width of the crop over the width of the eye's landmarks.
        """
        width = widen * (self.high[0] - self.low[0])
        height = width * HEIGHT / WIDTH
        x = (self.low[0] + self.high[0]) / 2
        y = image_height - (self.low[1] + self.high[1]) / 2
        sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        left, top, right, bottom = (round(side) for side in sides)
        return left, top, right, bottom

    def pupil_in_crop(self, image_height: int, widen: float) -> tuple[float, float]:
        """The pupil's centre (x, y) in px of the 55x35 crop, from its top left corner."""
        left, top, right, bottom = self.box(image_height, widen)
        y = image_height - self.pupil[1]
        return (
            (self.pupil[0] - left) * WIDTH / (right - left),
            (y - top) * HEIGHT / (bottom - top),
        )


def read_landmarks(path: Path) -> Landmarks:
    """Parse one JSON file of UnityEyes; ValueError or KeyError when it is not one."""
    facts = json.loads(path.read_bytes())
    eye = np.array([_numbers(p)[:2] for p in facts["interior_margin_2d"] + facts["caruncle_2d"]])
    iris = np.array([_numbers(point)[:2] for point in facts["iris_2d"]])
    x, y, z = _numbers(facts["eye_details"]["look_vec"])[:3]
    length = math.sqrt(x * x + y * y + z * z)
    if not (np.isfinite(eye).all() and np.isfinite(iris).all() and math.isfinite(length)):
        raise ValueError("NaN")
    if not length:
        raise ValueError("look_vec is zero")
    low, high, pupil = eye.min(0), eye.max(0), iris.mean(0)
    if high[0] - low[0] < 1:
        raise ValueError("landmarks span no area")
    return Landmarks(
        (float(low[0]), float(low[1])),
        (float(high[0]), float(high[1])),
        (float(pupil[0]), float(pupil[1])),
        (math.asin(max(-1.0, min(1.0, y / length))), math.atan2(x, -z)),
    )


def _numbers(text: str) -> list[float]:
    """'(1.5, 2, 3)' -> [1.5, 2.0, 3.0]."""
    return [float(part) for part in text.strip().strip("()").split(",")]


class UnityEyes(ImageFolder):
    """A folder of UnityEyes; images are cropped to 35x55 around the eye unless they are already.

    A refined copy holds crops beside the original JSON files: the landmarks lie outside of them,
    and they are read as they are.
    """

    format: ClassVar[str] = "unityeyes"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether some image of the folder, or of its `imgs`, has a JSON file of UnityEyes."""
        return path.is_dir() and any(_holds_unityeyes(place) for place in (path, path / "imgs"))

    def read_labels(self) -> None:
        self._landmarks: dict[str, Landmarks] = {}
        missing = {}
        for index, name in enumerate(self.names):
            label = stem(name) + ".json"
            try:
                self._landmarks[name] = read_landmarks(self.root / label)
            except FileNotFoundError:
                missing[index] = label
            except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                missing[index] = f"{label}: {_words(error)}"
        images = {stem(name) for name in self.names}
        extra = [
            name
            for name in self._shared
            if suffix(name) == ".json" and stem(name) not in images and _is_number(name)
        ]
        self.apply_match(match_labels(missing, len(self), extra, self.policy), missing)
        self._fill_labels()

    def _fill_labels(self) -> None:
        height, width = self._first_size()
        marks = [self._landmarks[name] for name in self.names]
        self.labels["gaze"] = np.array([mark.gaze for mark in marks], np.float32)
        pupils = np.array(
            [mark.pupil_in_crop(height, self.policy.eye_crop) for mark in marks], np.float32
        )
        if not _inside(marks[0].box(height, self.policy.eye_crop), height, width):
            pupils *= np.array([width / WIDTH, height / HEIGHT], np.float32)
            self.notes = [*self.notes, "landmarks lie outside of the images: read as crops"]
        self.labels["pupil_center"] = pupils

    def _first_size(self) -> tuple[int, int]:
        """Height and width of the first image that can be read; 0, 0 when none of some can."""
        for name in self.names[:PROBED]:
            try:
                with (self.root / name).open("rb") as file:
                    start = file.read(HEADER_BYTES)
                    try:
                        header = read_header(start, name)
                    except BadImage:
                        header = read_header(start + file.read(), name)
            except (BadImage, OSError):
                continue
            return header.height, header.width
        return 0, 0

    def decode_stored(self, index: int, data: bytes) -> NDArray[Any]:
        pixels = super().decode_stored(index, data)
        height, width = pixels.shape[:2]
        box = self._landmarks[self.items[index][0]].box(height, self.policy.eye_crop)
        if not _inside(box, height, width):
            return pixels
        return resize(crop(pixels, box), HEIGHT, WIDTH)


def _inside(box: tuple[int, int, int, int], height: int, width: int) -> bool:
    """Whether the centre of the eye's box is in the image and the box not larger than it."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    return 0 <= x < width and 0 <= y < height and right - left <= 2 * width


def _is_number(name: str) -> bool:
    return Path(name).stem.isdigit()


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "not JSON"
    return str(error)


def _holds_unityeyes(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as listing:
        images = (e.name for e in listing if suffix(e.name) in IMAGE_SUFFIXES)
        for name in islice(images, PROBED):
            label = folder / (stem(name) + ".json")
            try:
                if b"interior_margin_2d" in label.read_bytes()[: 1 << 16]:
                    return True
            except OSError:
                continue
    return False
