"""MPIIGaze's normalized eyes: Data/Normalized/pXX/dayYY.mat, gray 60x36, with gaze and head pose.

Zhang et al., "Appearance-based gaze estimation in the wild", CVPR 2015.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.file_tree import natural_key
from simgan.engine.data.labels import match_labels
from simgan.engine.data.pixels import convert_channels
from simgan.engine.data.problems import Problem
from simgan.engine.data.source import Source, require
from simgan.engine.errors import DataError

EYES = ("left", "right")
FOLDERS = ("Data/Normalized", "Normalized", ".")
FILES_HELD = 4  # decoded .mat files kept; a day of one person is a few megabytes


class MpiiGaze(Source):
    """Eyes `p00/day01/left_0000`; `items` holds (file, eye, row).

    Labels: gaze [N, 2] (pitch, yaw) radians, pitch up and yaw to image right positive; pose [N, 3]
    as stored (rotation vector); person [N].
    """

    format: ClassVar[str] = "mpiigaze"

    def __init__(self, location: str, path: Path, policy: DataPolicy) -> None:
        super().__init__(location, path, policy)
        require("scipy.io", "mat", f"{location} (MPIIGaze)")
        files = _files(path)
        assert files
        self.root = files[0].parent.parent
        self._held: OrderedDict[Path, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._files = files
        items: list[tuple[Path, str, int]] = []
        gaze, pose, person = [], [], []
        for file in files:
            eyes = self._eyes(file)
            for eye in EYES:
                rows = len(eyes[eye]["image"])
                items += [(file, eye, row) for row in range(rows)]
                gaze.append(gaze_angles(eyes[eye]["gaze"]))
                pose.append(eyes[eye]["pose"])
                person += [_person(file)] * rows
        self.items = items
        self.names = [
            f"{file.relative_to(self.root).with_suffix('').as_posix()}/{eye}_{row:04d}"
            for file, eye, row in items
        ]
        self.labels = {
            "gaze": np.concatenate(gaze).astype(np.float32),
            "pose": np.concatenate(pose).astype(np.float32),
            "person": np.array(person, np.int64),
        }
        self._leave_out_nan()

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether `path` holds pXX/dayYY.mat, at Data/Normalized or right below."""
        return path.is_dir() and bool(_files(path))

    def _leave_out_nan(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.labels["gaze"]).all(axis=1))
        missing = {int(i): f"{self.names[i]}: gaze is NaN" for i in bad}
        match = match_labels(missing, len(self), [], self.policy)
        if missing:
            self.skipped = [
                Problem(self.names[i], f"no label: {why}", chosen=True)
                for i, why in missing.items()
            ]
            self.select(match.kept)

    def _eyes(self, file: Path) -> dict[str, Any]:
        with self._lock:
            if file in self._held:
                self._held.move_to_end(file)
                return self._held[file]
            eyes = read_day(file)
            self._held[file] = eyes
            if len(self._held) > FILES_HELD:
                self._held.popitem(last=False)
            return eyes

    def read(self, index: int) -> NDArray[Any]:
        file, eye, row = self.items[index]
        pixels = np.array(self._eyes(file)[eye]["image"][row])[..., None]
        return convert_channels(pixels, self.policy.channels)

    def value_limits(self) -> tuple[float, float]:
        return 0.0, 255.0

    def stamps(self) -> Iterable[object]:
        for file in self._files:
            status = file.stat()
            yield from (status.st_size, status.st_mtime_ns)


def gaze_angles(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """(pitch, yaw) [N, 2] of vectors [N, 3] with x right, y down, z away from the camera."""
    x, y, z = np.asarray(vectors, np.float64).T
    length = np.sqrt(x * x + y * y + z * z)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([np.arcsin(-y / length), np.arctan2(x, -z)], axis=1)


def read_day(file: Path) -> dict[str, Any]:
    """Both eyes of one .mat file: image uint8 [n, H, W], gaze [n, 3], pose [n, 3].

    Raises:
        DataError: the file is damaged or has another structure.
    """
    scipy_io = require("scipy.io", "mat", str(file))
    try:
        data = scipy_io.loadmat(file, struct_as_record=False, squeeze_me=True)["data"]
        eyes = {}
        for eye in EYES:
            part = getattr(data, eye)
            images = np.asarray(part.image)
            images = images[None] if images.ndim == 2 else images
            count = len(images)
            eyes[eye] = {
                "image": images,
                "gaze": np.asarray(part.gaze, np.float64).reshape(count, 3),
                "pose": np.asarray(part.pose, np.float64).reshape(count, 3),
            }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise DataError(
            f"{file} is not a normalized MPIIGaze file: {error}",
            fix="data.left and data.right with image, gaze and pose are expected.",
        ) from None
    for eye in EYES:
        images = eyes[eye]["image"]
        if images.dtype != np.uint8 or images.ndim != 3:
            raise DataError(f"{file}: data.{eye}.image is {images.dtype} {images.shape}, not uint8")
    return eyes


def _files(path: Path) -> list[Path]:
    for folder in FOLDERS:
        found = sorted(
            (path / folder).glob("p[0-9][0-9]/day*.mat"), key=lambda p: natural_key(str(p))
        )
        if found:
            return found
    return []


def _person(file: Path) -> int:
    return int(file.parent.name[1:])
