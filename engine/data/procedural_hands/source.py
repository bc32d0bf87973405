"""Built-in depth images of hands with exact joints, drawn by formulas, never real.

Two kinds play the two sides of SimGAN. "hand-synthetic" is what a simulator makes: clean, smooth,
complete. "hand-camera" plays a depth camera: ragged edges, shadows and holes, steps of depth,
noise. Both draw poses from one distribution, so that only the appearance differs (see
`procedural_eyes`). No result on them says anything about real hands.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.philox import normals, raw_draws, uniforms
from simgan.engine.data.procedural_hands import pose, sensor, surface
from simgan.engine.data.procedural_location import COUNT, SCHEME, SEED, check_number, parse_numbers
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError

Kind = Literal["hand-synthetic", "hand-camera"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KIND_CODE = 2  # of the first kind; procedural eyes have the codes before it
PREFIX = f"{SCHEME}hand-"
SIDE = (32, 1024)  # pixels
CUBE = 300  # mm across the image, and from its near to its far plane, as in the protocol of NYU
DISTANCE = (600.0, 900.0)  # mm from the camera to the centre of the joints
OFF_CENTRE = 12.0  # mm that the cube may miss the hand by, each way
PARAMETER_DRAWS = 64  # words reserved for pose and place, so that new ones keep the noise
VERSION = 1  # raised when the pictures change, so that packed copies are not reused

Depth = NDArray[np.uint16]


class ProceduralHands(Source):
    """A source of `count` hands; image i depends on kind, seed, i and the size alone.

    Images are uint16 [size, size, 1], mm behind the near plane of a cube of 300 mm around the hand,
    300 where there is nothing (or nothing was measured); the range 0..300 is declared. One label:
    `joints` float32 [N, 14, 3] (u px, v px, mm as in the image), the joints of
    `engine.data.hand_joints`; (0, 0) is the middle of the top left pixel. Right hands.

    Args:
        kind: "hand-synthetic" or "hand-camera".
        count: number of images, at least 1.
        seed: 0 to 2**63 - 1.
        size: side of the images in pixels, 32 to 1024.

    Raises:
        DataError: an argument is outside its range.
    """

    format = "procedural-hands"

    def __init__(
        self,
        kind: str,
        count: int,
        seed: int = 0,
        size: int = 224,
        policy: DataPolicy | None = None,
    ) -> None:
        if kind not in KINDS:
            raise DataError(f"procedural hands are {' or '.join(KINDS)}, got {kind!r}")
        check_number("hands", "count", count, COUNT)
        check_number("hands", "seed", seed, SEED)
        check_number("hands", "size", size, SIDE)
        location = f"{SCHEME}{kind}?count={count}&seed={seed}"
        if size != 224:
            location += f"&size={size}"
        super().__init__(location, None, policy or DataPolicy())
        if self.policy.channels == "rgb":
            raise DataError("procedural hands are depth: data.channels cannot be rgb")
        self.kind = kind
        self.seed = seed
        self.size = size
        self.items = range(count)
        self.names = [f"hand_{index:06d}.png" for index in range(count)]
        _, joints = self._placed(self._words(self.items, PARAMETER_DRAWS))
        self.labels = {"joints": joints.astype(np.float32)}

    def read(self, index: int) -> Depth:
        """Depth uint16 [size, size, 1]; safe to call from several threads."""
        camera = self.kind == "hand-camera"
        grain = sensor.noise_draws(self.size) if camera else 0
        words = self._words([self.items[index]], PARAMETER_DRAWS + grain)
        cones, _ = self._placed(words[:, :PARAMETER_DRAWS])
        depth = surface.draw_depth(
            cones.start[0],
            cones.end[0],
            cones.start_radius[0],
            cones.end_radius[0],
            CUBE / self.size,
            self.size,
            CUBE,
        )
        if camera:
            depth = sensor.photograph(depth, normals(words[0, PARAMETER_DRAWS:]), CUBE)
        stored: Depth = np.rint(depth.clip(0, CUBE)).astype(np.uint16)
        return stored[..., None]

    def value_limits(self) -> tuple[float, float]:
        """The near and the far plane."""
        return 0.0, float(CUBE)

    def stamps(self) -> list[object]:
        """The version of the drawing: nothing else can change behind the same location."""
        return [VERSION]

    def _words(self, indices: Sequence[int], length: int) -> NDArray[np.uint64]:
        return raw_draws(self.seed, KIND_CODE + KINDS.index(self.kind), indices, length)

    def _placed(self, words: NDArray[np.uint64]) -> tuple[surface.Cones, pose.Array]:
        """Cones and joints [N, 14, 3] in the image: px, px, mm behind the near plane."""
        u = uniforms(words).astype(np.float64)
        hands = pose.draw_hands(u[:, : pose.POSE_DRAWS])
        joints, cones = pose.joints_of(hands), surface.cones_of(hands)
        distance = pose.between(*DISTANCE, u[:, pose.POSE_DRAWS])
        miss = pose.between(
            -OFF_CENTRE, OFF_CENTRE, u[:, pose.POSE_DRAWS + 1 : pose.POSE_DRAWS + 4]
        )
        centre = joints.mean(axis=1) + miss

        def seen(points: pose.Array) -> tuple[pose.Array, pose.Array]:
            """In the image, and px per mm there: perspective, as a crop of a camera's frame."""
            at = points - centre[:, None]
            scale = self.size / CUBE / (1 + at[..., 2] / distance[:, None])
            plane = at[..., :2] * scale[..., None] + (self.size - 1) / 2
            return np.concatenate([plane, at[..., 2:] + CUBE / 2], axis=-1), scale

        start, start_scale = seen(cones.start)
        end, end_scale = seen(cones.end)
        projected = surface.Cones(
            start, end, cones.start_radius * start_scale, cones.end_radius * end_scale
        )
        return projected, seen(joints)[0]


def parse_location(text: str, policy: DataPolicy | None = None) -> ProceduralHands:
    """Open "procedural:KIND?count=N&seed=S"; count is 2000, seed 0, size 224 by default.

    Raises:
        DataError: the kind, a key or a value is not one of these.
    """
    example = f'write "{PREFIX}synthetic?count=2000&seed=0" or "{PREFIX}camera?count=2000&size=64"'
    defaults = {"count": 2000, "seed": 0, "size": 224}
    kind, numbers = parse_numbers(text, "hands", KINDS, defaults, example)
    return ProceduralHands(kind, **numbers, policy=policy)
