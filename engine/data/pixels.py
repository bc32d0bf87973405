"""Operations on decoded pixels of 8 and 16 bits: gray, RGB, alpha, EXIF rotation, resizing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LUMA = (19595, 38470, 7471)  # ITU-R 601 in 1/65536, the numbers of Pillow


def convert_channels(pixels: NDArray[Any], channels: str) -> NDArray[Any]:
    """Pixels [..., C] as they are (`keep`), as gray [..., 1] or as RGB [..., 3]; same dtype."""
    if channels == "gray" and pixels.shape[-1] == 3:
        wide = pixels.astype(np.uint32)
        luma = wide[..., 0] * LUMA[0] + wide[..., 1] * LUMA[1] + wide[..., 2] * LUMA[2] + 0x8000
        return (luma >> 16).astype(pixels.dtype)[..., None]
    if channels == "rgb" and pixels.shape[-1] == 1:
        return np.repeat(pixels, 3, axis=-1)
    return pixels


def flatten_alpha(
    pixels: NDArray[Any], alpha: NDArray[Any], background: tuple[int, int, int]
) -> NDArray[Any]:
    """Pixels [H, W, C] laid over a background color (8-bit RGB) by `alpha` uint8 [H, W]."""
    scale = np.iinfo(pixels.dtype).max // 255
    gray_background = len(set(background)) == 1
    if pixels.shape[-1] == 1 and not gray_background:
        pixels = np.repeat(pixels, 3, axis=-1)
    behind = np.asarray(background[: pixels.shape[-1]], np.int64) * scale
    weight = alpha.astype(np.int64)[..., None]
    mixed = (pixels.astype(np.int64) * weight + behind * (255 - weight) + 127) // 255
    return mixed.astype(pixels.dtype)


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels [H, W, C] as EXIF orientation 1 to 8 says they should be looked at."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def resize(
    pixels: NDArray[Any],
    height: int,
    width: int,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[Any]:
    """Resize [H, W, C] with Pillow's antialiased Lanczos filter; same dtype.

    Args:
        pixels: uint8 or uint16.
        height: of the result, px.
        width: of the result, px.
        box: (left, top, right, bottom) of the part that is resized, in px from the top left corner
            of the image; the whole image by default.
    """
    if pixels.shape[:2] == (height, width) and box is None:
        return pixels
    if pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        return _lanczos(pixels, height, width, box)
    # Pillow resizes 16-bit images by nearest neighbour only; 32-bit float holds them exactly.
    exact = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    planes = [_lanczos(exact[..., c], height, width, box) for c in range(exact.shape[-1])]
    resized = np.stack(planes, axis=-1)
    if resized.dtype == pixels.dtype:
        return resized
    limits = np.iinfo(pixels.dtype)
    rounded: NDArray[Any] = np.clip(np.rint(resized), limits.min, limits.max)
    return rounded.astype(pixels.dtype)


def _lanczos(
    pixels: NDArray[Any], height: int, width: int, box: tuple[float, float, float, float] | None
) -> NDArray[Any]:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    resized: NDArray[Any] = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box))
    return resized


def crop(pixels: NDArray[Any], box: tuple[int, int, int, int]) -> NDArray[Any]:
    """The part (left, top, right, bottom) of [H, W, C]; what lies outside of the image is 0."""
    left, top, right, bottom = box
    height, width = pixels.shape[:2]
    part = np.zeros((bottom - top, right - left, pixels.shape[-1]), pixels.dtype)
    y0, y1 = max(top, 0), min(bottom, height)
    x0, x1 = max(left, 0), min(right, width)
    if y0 < y1 and x0 < x1:
        part[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return part
