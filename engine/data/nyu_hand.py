"""The NYU hand pose set: depth_K_NNNNNNN.png in millimetres, joints in joint_data.mat.

Tompson et al., "Real-time continuous pose recovery of human hands", SIGGRAPH 2014.
"""

import os
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.decoding import decode_image
from simgan.engine.data.file_tree import FileTree
from simgan.engine.data.image_folder import ImageFolder
from simgan.engine.data.labels import match_labels
from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import require
from simgan.engine.errors import DataError

FRAME = re.compile(r"(synthdepth|depth)_(\d)_(\d+)\.png")
KINDS = ("depth", "synthdepth")
MAT = "joint_data.mat"


class NyuHand(ImageFolder):
    """Depth frames as uint16 millimetres; `data.key` chooses depth (default) or synthdepth.

    Labels, where a joint_data.mat lies beside the frames: joints [N, J, 3] (u px, v px, depth mm)
    and joints_xyz [N, J, 3] mm.
    """

    format: ClassVar[str] = "nyu-hand"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Whether the folder, or one right below it, holds depth frames."""
        if not path.is_dir():
            return False
        with os.scandir(path) as listing:
            entries = list(listing)
        places = [path, *(Path(e.path) for e in entries if e.is_dir(follow_symlinks=False))]
        return any(_has_frames(place) for place in places)

    def choose_images(self, tree: FileTree) -> list[tuple[str, int | None]]:
        found = {kind: [n for n in tree.images if _kind(n) == kind] for kind in KINDS}
        kind = self.policy.key or next(kind for kind in KINDS if found[kind])
        if kind not in KINDS:
            raise DataError(f"data.key must be depth or synthdepth for NYU hands, got {kind!r}")
        if all(found.values()) and self.policy.key is None:
            self.notes = [*self.notes, f"{kind} is used; data.key chooses depth or synthdepth"]
        return [(name, None) for name in found[kind]]

    def read_labels(self) -> None:
        folders = {name.rpartition("/")[0] for name in self.names}
        mats = {f: self.root / f / MAT for f in folders if (self.root / f / MAT).is_file()}
        if not mats:
            return
        joints = {folder: read_joints(mat) for folder, mat in mats.items()}
        missing: dict[int, str] = {}
        rows: dict[str, list[NDArray[Any]]] = {"joints": [], "joints_xyz": []}
        for index, name in enumerate(self.names):
            folder, _, base = name.rpartition("/")
            row = _row(joints.get(folder, {}), base)
            if row is None or not all(np.isfinite(values).all() for values in row.values()):
                missing[index] = f"{name} in {MAT}"
                continue
            for key, values in row.items():
                rows[key].append(values)
        match = match_labels(missing, len(self), [], self.policy)
        self.apply_match(match, missing)
        self.labels = {key: np.stack(values) for key, values in rows.items() if values}

    def decode_stored(self, index: int, data: bytes) -> NDArray[Any]:
        name = self.names[index]
        stored = decode_image(data, name, self.policy)
        if stored.shape[-1] == 1 and stored.dtype == np.uint16:
            return stored
        if stored.shape[-1] != 3 or stored.dtype != np.uint8:
            raise BadImage(name, "not a depth frame (green and blue hold the millimetres)")
        depth: NDArray[Any] = stored[..., 1:2].astype(np.uint16) << 8 | stored[..., 2:3]
        return depth

    def value_limits(self) -> tuple[float, float] | None:
        return None


def read_joints(path: Path) -> dict[str, NDArray[np.float32]]:
    """joint_data.mat: `joints` [kinect, frame, J, 3] (u, v, mm) and `joints_xyz` where present."""
    scipy_io = require("scipy.io", "mat", str(path))
    stored = {"joints": "joint_uvd", "joints_xyz": "joint_xyz"}
    try:
        facts = scipy_io.loadmat(path, variable_names=list(stored.values()))
        joints = {k: np.asarray(facts[v], np.float32) for k, v in stored.items() if v in facts}
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    for key, values in joints.items():
        if values.ndim != 4 or values.shape[-1] != 3:
            raise DataError(f"{path}: {stored[key]} is {values.shape}, not [kinects, frames, J, 3]")
    if not joints:
        raise DataError(f"{path} holds neither joint_uvd nor joint_xyz")
    return joints


def _row(joints: dict[str, NDArray[np.float32]], base: str) -> dict[str, NDArray[Any]] | None:
    match = FRAME.fullmatch(base)
    assert match
    kinect, frame = int(match[2]) - 1, int(match[3]) - 1
    if not joints or any(
        not (0 <= kinect < len(values) and 0 <= frame < values.shape[1])
        for values in joints.values()
    ):
        return None
    return {key: values[kinect, frame] for key, values in joints.items()}


def _kind(name: str) -> str | None:
    match = FRAME.fullmatch(name.rpartition("/")[2])
    return match[1] if match else None


def _has_frames(folder: Path) -> bool:
    with os.scandir(folder) as listing:
        return any(FRAME.fullmatch(entry.name) for entry in listing)
