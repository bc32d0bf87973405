"""Built-in eye images with exact gaze labels: a demo and a test bed, drawn by formulas, never real.

Two kinds play the two sides of SimGAN. "synthetic" is what a simple simulator makes: clean, smooth,
noiseless. "camera" plays the unlabelled real set: other eyes with texture, lashes, glints, shadows,
uneven light, defocus and sensor noise. No result on them says anything about real eyes.

The gaze labels and eye shapes of both kinds come from one distribution, on purpose. Were the labels
distributed differently (label shift), the discriminator could tell the sets apart by gaze alone and
teach the refiner to move the pupil, which makes the labels wrong. The kinds differ in appearance
only, so a refiner can bridge the gap while the labels stay true.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.philox import normals, raw_draws, uniforms
from simgan.engine.data.procedural_eyes import camera, geometry, shading
from simgan.engine.data.procedural_eyes.looks import LOOK_DRAWS, draw_looks
from simgan.engine.data.procedural_location import COUNT, SCHEME, SEED, check_number, parse_numbers
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError

Kind = Literal["synthetic", "camera"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIDE = (8, 4096)  # pixels
CHUNK = 16  # images drawn together: their maps stay in the cache of one core
PARAMETER_DRAWS = 128  # words reserved for shapes and looks, so that new looks keep the noise
VERSION = 1  # raised when the pictures change, so that packed copies are not reused

Images = NDArray[np.uint8]


class ProceduralEyes(Source):
    """A source of `count` procedural eyes; image i depends on kind, seed, i and the size alone.

    Images are uint8 [height, width, 1], or 3 equal channels where the policy asks for RGB. Labels:
    `gaze` float32 [N, 2] (pitch, yaw) in radians, pitch positive upwards, yaw positive towards the
    right of the image; `pupil_center` float32 [N, 2] (x, y) in pixels, (0, 0) being the middle of
    the top left pixel. The labels of the camera's eyes are for evaluation only: training never
    looks at them.

    The random words come from Philox and the pixels from + - * / sqrt, so images repeat exactly on
    one machine; another CPU family or numpy version may round a gray value differently by one.

    Args:
        kind: "synthetic" or "camera".
        count: number of images, at least 1.
        seed: 0 to 2**63 - 1.
        height, width: image size in pixels, at least 8; eyes are drawn to scale.

    Raises:
        DataError: an argument is outside its range.
    """

    format = "procedural-eyes"

    def __init__(
        self,
        kind: str,
        count: int,
        seed: int = 0,
        height: int = 35,
        width: int = 55,
        policy: DataPolicy | None = None,
    ) -> None:
        if kind not in KINDS:
            raise DataError(f"procedural eyes are synthetic or camera, got {kind!r}")
        check_number("eyes", "count", count, COUNT)
        check_number("eyes", "seed", seed, SEED)
        check_number("eyes", "height", height, SIDE)
        check_number("eyes", "width", width, SIDE)
        location = f"{SCHEME}{kind}?count={count}&seed={seed}"
        if (height, width) != (geometry.MODEL_HEIGHT, geometry.MODEL_WIDTH):
            location += f"&height={height}&width={width}"
        super().__init__(location, None, policy or DataPolicy())
        self.kind = kind
        self.seed = seed
        self.height = height
        self.width = width
        self.items = range(count)
        self.names = [f"eye_{index:06d}.png" for index in range(count)]
        self.labels = self._labels()

    def read(self, index: int) -> Images:
        """Image uint8 [height, width, C]; safe to call from several threads."""
        image: Images = self._draw([self.items[index]])[0]
        return image

    def images(self, progress: Callable[[int, int], None] | None = None) -> Images:
        """All images uint8 [N, height, width, C], equal to `read` of each but faster.

        Args:
            progress: called with (images done, all images) now and then.
        """
        result = np.empty((len(self), self.height, self.width, self._channels()), np.uint8)
        for start in range(0, len(self), CHUNK):
            result[start : start + CHUNK] = self._draw(self.items[start : start + CHUNK])
            if progress is not None:
                progress(min(start + CHUNK, len(self)), len(self))
        return result

    def value_limits(self) -> tuple[float, float]:
        """Black and white of the stored values."""
        return 0.0, 255.0

    def stamps(self) -> list[object]:
        """The version of the drawing: nothing else can change behind the same location."""
        return [VERSION]

    def _channels(self) -> int:
        return 3 if self.policy.channels == "rgb" else 1

    def _words(self, indices: Sequence[int], length: int) -> NDArray[np.uint64]:
        return raw_draws(self.seed, KINDS.index(self.kind), indices, length)

    def _shapes(self, words: NDArray[np.uint64]) -> geometry.EyeShapes:
        return geometry.draw_shapes(uniforms(words[:, : geometry.SHAPE_DRAWS]))

    def _labels(self) -> dict[str, NDArray[np.float32]]:
        shapes = self._shapes(self._words(self.items, geometry.SHAPE_DRAWS))
        gaze = np.stack([shapes.pitch[:, 0, 0], shapes.yaw[:, 0, 0]], axis=1)
        pupils = geometry.pupil_centers(shapes, self.height, self.width)
        return {"gaze": gaze, "pupil_center": pupils}

    def _draw(self, indices: Sequence[int]) -> Images:
        """Images uint8 [len(indices), height, width, C]."""
        photographed = self.kind == "camera"
        grain = camera.texture_draws(self.height, self.width) if photographed else 0
        pixels = self.height * self.width if photographed else 0
        words = self._words(indices, PARAMETER_DRAWS + grain + pixels)
        shapes = self._shapes(words)
        look_words = words[:, geometry.SHAPE_DRAWS : geometry.SHAPE_DRAWS + LOOK_DRAWS]
        looks = draw_looks(photographed, uniforms(look_words))
        fields = geometry.eye_fields(shapes, self.height, self.width)
        noise = normals(words[:, PARAMETER_DRAWS:])
        texture = (
            camera.texture(noise[:, :grain], self.height, self.width) if photographed else None
        )
        light = camera.downsample(shading.shade(shapes, fields, looks, texture))
        if photographed:
            sensor = noise[:, grain:].reshape(light.shape)
            light = camera.photograph(light, looks, sensor)
        gray = np.clip(light, 0, 1) * 255 + 0.5
        return gray.astype(np.uint8)[..., None].repeat(self._channels(), axis=-1)


def parse_location(text: str, policy: DataPolicy | None = None) -> ProceduralEyes:
    """Open "procedural:KIND?count=N&seed=S"; count is 2000, seed 0, height 35, width 55 by default.

    Raises:
        DataError: the kind, a key or a value is not one of these.
    """
    example = f'write "{SCHEME}synthetic?count=2000&seed=0" or "{SCHEME}camera?count=2000&seed=0"'
    defaults = {"count": 2000, "seed": 0, "height": 35, "width": 55}
    kind, numbers = parse_numbers(text, "eyes", KINDS, defaults, example)
    return ProceduralEyes(kind, **numbers, policy=policy)
