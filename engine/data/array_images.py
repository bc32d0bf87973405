"""What all array files share: which array holds the images, its layout, its members as images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import parse_composite
from simgan.engine.data.labels import match_labels
from simgan.engine.data.pixels import convert_channels, flatten_alpha
from simgan.engine.data.problems import Problem, transparency_error
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


class ArraySource(Source):
    """Images [N, H, W] or [N, H, W, C] of one array; `items` holds their positions.

    Attributes:
        images: uint8 or uint16 array-like; indexing its first axis gives one image.
    """

    images: Any

    def set_images(self, images: Any, key: str) -> None:
        """Check the array of images and name its members."""
        check_images(images.shape, images.dtype, key, self.location)
        height, width = images.shape[1:3]
        if height * width > self.policy.max_pixels:
            raise DataError(
                f"{self.location}: {width}\u00d7{height} = {height * width / 1e6:.0f} MP > "
                f"limit {self.policy.max_pixels / 1e6:g} MP (data.max_pixels)"
            )
        self.images = images
        self.items = list(range(len(images)))
        self.names = [f"{index:06d}" for index in self.items]

    def refuse_nan(self) -> None:
        """Apply the policy for missing labels to rows that hold NaN or infinity."""
        missing: dict[int, str] = {}
        for key, values in self.labels.items():
            if values.dtype.kind != "f":
                continue
            flat = values.reshape(len(values), -1)
            for row in np.flatnonzero(~np.isfinite(flat).all(axis=1)):
                missing.setdefault(int(row), f"{self.names[row]}: {key} is NaN")
        match = match_labels(missing, len(self), [], self.policy)
        if missing:
            left_out = [
                Problem(self.names[i], f"no label: {missing[i]}", chosen=True)
                for i in sorted(missing)
            ]
            self.skipped = [*self.skipped, *left_out]
            self.select(match.kept)

    def read(self, index: int) -> NDArray[Any]:
        pixels = np.array(self.images[self.items[index]])
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.shape[-1] in (2, 4):
            pixels = self._without_alpha(pixels, self.names[index])
        return convert_channels(pixels, self.policy.channels)

    def _without_alpha(self, pixels: NDArray[Any], name: str) -> NDArray[Any]:
        color, alpha = pixels[..., :-1], pixels[..., -1]
        full = np.iinfo(pixels.dtype).max
        clear = int(np.count_nonzero(alpha < full))
        if clear == 0 or self.policy.alpha == "drop":
            return np.ascontiguousarray(color)
        if self.policy.alpha == "error":
            raise transparency_error(name, clear, alpha.size)
        weight = (alpha // (full // 255)).astype(np.uint8)
        return flatten_alpha(color, weight, parse_composite(self.policy.alpha))


def is_image_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array can hold images: uint8 or uint16 with at least three axes."""
    return len(shape) in (3, 4) and dtype.kind == "u" and dtype.itemsize in (1, 2)


def choose_images(arrays: Shapes, key: str | None, location: str) -> str:
    """The array that holds the images: `key`, else the only one that can.

    Raises:
        DataError: there is none, there are several, or `key` is not there.
    """
    listed = ", ".join(f"{name} {describe(*arrays[name])}" for name in arrays) or "nothing"
    if key is not None:
        if key not in arrays:
            raise DataError(f"{location} has no array {key!r}; it holds {listed}")
        return key
    candidates = [name for name, (shape, dtype) in arrays.items() if is_image_array(shape, dtype)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(
            f"{location} holds {len(candidates)} arrays of images: {', '.join(candidates)}",
            fix="Choose one with data.key, or as FILE#KEY.",
        )
    if any(len(shape) >= 3 and dtype.kind == "f" for shape, dtype in arrays.values()):
        raise DataError(
            f"{location} holds images as floating-point numbers: {listed}",
            fix="Save them as uint8 or uint16, with a scale that you choose.",
        )
    raise DataError(f"{location} holds no array of images (uint8 or uint16 [N, H, W]): {listed}")


def describe(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """`uint8 [5000, 35, 55]`."""
    return f"{dtype.name} [{', '.join(map(str, shape))}]"


def check_images(shape: tuple[int, ...], dtype: np.dtype[Any], key: str, location: str) -> None:
    """Raise DataError, with what to do, unless an array holds images."""
    what = f"{location}: {key} is {describe(shape, dtype)}"
    if dtype.kind == "f":
        raise DataError(
            f"{what}; images must be uint8 or uint16",
            fix="Scale them to 0..255 or 0..65535 and save them as uint8 or uint16.",
        )
    if not is_image_array(shape, dtype):
        raise DataError(f"{what}; images must be uint8 or uint16 [N, H, W] or [N, H, W, C]")
    if 0 in shape:
        raise DataError(f"{what}; there are no images in it")
    if len(shape) == 4 and shape[-1] not in (1, 2, 3, 4):
        hint = "Transpose it: [N, C, H, W] to [N, H, W, C]." if shape[1] in (1, 3) else None
        raise DataError(f"{what}; the last axis must be channels (1 or 3)", fix=hint)
