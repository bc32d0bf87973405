"""NYU frames cut to the hand: a cube of 300 mm around a centre, as 224x224 depth.

This is the protocol of the field since DeepPrior (Oberweger et al. 2015); the refiner of the paper
works on such images.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.hand_joints import ALL_OF_NYU, OF_NYU
from simgan.engine.data.nyu_hand import FRAME, NyuHand
from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError

SIZE = 224  # px
CUBE = 300  # mm
FOCAL = (588.03, 587.07)  # px of the Kinect of the set, across and down
PRINCIPAL = (320.0, 240.0)  # px
INVALID = 32_001  # mm; stored where some frames have no depth, 0 in others
SPECKS = 200  # pixels that may be nearer than the hand
REACH = 100  # mm around the centre that count for it; more would draw it to the forearm
ROUNDS = 10

Centre = NDArray[np.float64]  # [3]: u px, v px, mm


class NyuCrops(Source):
    """Hands of NYU frames, uint16 [224, 224, 1]: mm behind the near plane of the cube.

    Nearer is 0; farther, and what has no depth, is 300; the range 0..300 is declared. `data.crop`
    says where the hand is:

    * `joints`: the mean of the 14 evaluation joints of the labels, for training sets;
    * `depth`: the centre of mass of what is nearest to the camera, refined within 100 mm; reads
      every frame when the set is opened;
    * else a text file with one line "u v mm" for each frame, in order.

    Labels: joints [N, J, 3] as (u px, v px, mm) of the crop, joints_xyz as they are. Names are
    `hand_K_NNNNNNN.png`, so that a refined copy is not taken for whole frames.

    Args:
        frames: the whole frames, opened with `policy.crop`.
    Raises:
        DataError: there are no joints, or the file does not fit the frames, or a frame that is
            needed cannot be read.
    """

    format: ClassVar[str] = "nyu-hand-crops"

    def __init__(self, frames: NyuHand) -> None:
        super().__init__(frames.location, frames.path, frames.policy)
        self._frames = frames
        self.skipped, self.notes = frames.skipped, frames.notes
        self.items = range(len(frames))
        self.names = [_crop_name(name) for name in frames.names]
        self._centres = _centres(frames)
        self.labels = dict(frames.labels)
        if "joints" in self.labels:
            joints = self.labels["joints"].astype(np.float64)
            moved = [move_joints(p, c) for p, c in zip(joints, self._centres, strict=True)]
            self.labels["joints"] = np.stack(moved).astype(np.float32)

    def read(self, index: int) -> NDArray[Any]:
        item = self.items[index]
        return cut(self._frames.read(item)[..., 0], self._centres[item])[..., None]

    def value_limits(self) -> tuple[float, float]:
        """The near and the far plane."""
        return 0.0, float(CUBE)

    def stamps(self) -> list[object]:
        """Of the frames, and where they are cut."""
        return [*self._frames.stamps(), self._centres.tobytes()]


def cut(depth: NDArray[Any], centre: Centre) -> NDArray[np.uint16]:
    """The cube around a centre, uint16 [224, 224], from a frame [H, W] in mm; nearest pixels."""
    near = centre[2] - CUBE / 2
    columns, rows = (_sampled(centre, axis) for axis in (0, 1))
    inside = (
        ((rows >= 0) & (rows < depth.shape[0]))[:, None]
        & ((columns >= 0) & (columns < depth.shape[1]))[None, :]
    )  # fmt: skip
    stored = depth[
        rows.clip(0, depth.shape[0] - 1)[:, None], columns.clip(0, depth.shape[1] - 1)[None, :]
    ]
    known = inside & (stored > 0) & (stored < INVALID)
    behind = np.rint(stored - near).clip(0, CUBE)
    return np.where(known, behind, CUBE).astype(np.uint16)


def move_joints(joints: Centre, centre: Centre) -> NDArray[np.float64]:
    """Joints [J, 3] of a frame (u px, v px, mm) in the crop around a centre."""
    moved = np.empty_like(joints)
    for axis in (0, 1):
        side = _side(centre, axis)
        moved[:, axis] = (joints[:, axis] - centre[axis] + side / 2) * SIZE / side - 0.5
    moved[:, 2] = joints[:, 2] - centre[2] + CUBE / 2
    return moved


def centre_of_joints(joints: NDArray[Any]) -> Centre:
    """The mean in space of the evaluation joints among [J, 3], J 14 or 36."""
    used = joints[list(OF_NYU)] if len(joints) == ALL_OF_NYU else joints
    z = used[:, 2].astype(np.float64)
    plane = [((used[:, a] - PRINCIPAL[a]) * z).mean() / z.mean() + PRINCIPAL[a] for a in (0, 1)]
    return np.array([*plane, z.mean()])


def centre_of_depth(depth: NDArray[Any], name: str = "frame") -> Centre:
    """The centre of mass of the nearest thing in a frame [H, W] in mm, within 100 mm of itself.

    Raises:
        BadImage: the frame has next to no depth.
    """
    rows, columns = np.nonzero((depth > 0) & (depth < INVALID))
    if len(rows) <= SPECKS:
        raise BadImage(name, "has no depth that a hand could be found in")
    z = depth[rows, columns].astype(np.float64)
    near = np.partition(z, SPECKS)[SPECKS]
    chosen = z <= near + REACH
    centre = np.zeros(3)
    for _ in range(ROUNDS):
        centre = np.array([columns[chosen].mean(), rows[chosen].mean(), z[chosen].mean()])
        chosen = (
            (np.abs(z - centre[2]) <= REACH)
            & (np.abs(columns - centre[0]) <= _side(centre, 0) * REACH / CUBE)
            & (np.abs(rows - centre[1]) <= _side(centre, 1) * REACH / CUBE)
        )
    return centre


def _side(centre: Centre, axis: int) -> float:
    """Frame pixels across the cube at the depth of its centre."""
    return float(FOCAL[axis] * CUBE / centre[2])


def _sampled(centre: Centre, axis: int) -> NDArray[np.int64]:
    """The frame's column (row) under each column (row) of the crop."""
    side = _side(centre, axis)
    place = centre[axis] - side / 2 + (np.arange(SIZE) + 0.5) * side / SIZE
    column: NDArray[np.int64] = np.rint(place).astype(np.int64)
    return column


def _centres(frames: NyuHand) -> NDArray[np.float64]:
    how = frames.policy.crop
    if how == "joints":
        if "joints" not in frames.labels:
            raise DataError(
                f"{frames.location} has no joints to cut around",
                fix="Set data.crop=depth, or name a file of centres.",
            )
        return np.stack([centre_of_joints(joints) for joints in frames.labels["joints"]])
    if how == "depth":
        return np.stack(
            [
                centre_of_depth(frames.read(index)[..., 0], name)
                for index, name in enumerate(frames.names)
            ]
        )
    assert how is not None
    return _read_centres(Path(how), frames.names)


def _read_centres(path: Path, names: Sequence[str]) -> NDArray[np.float64]:
    try:
        centres = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(
            f"data.crop: {path} cannot be read: {error}",
            fix="Give joints, depth, or a text file with a line 'u v mm' for each frame.",
        ) from None
    if centres.shape != (len(names), 3) or not np.isfinite(centres).all():
        raise DataError(
            f"data.crop: {path} must hold 3 numbers for each of {len(names):,} frames, "
            f"it holds {centres.shape[0]:,} lines of {centres.shape[1]}"
        )
    if (centres[:, 2] <= 0).any():
        raise DataError(f"data.crop: {path} holds a depth of {centres[:, 2].min():g} mm")
    return centres


def _crop_name(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    match = FRAME.fullmatch(base)
    assert match
    return f"{folder}{slash}hand_{match[2]}_{match[3]}.png"
