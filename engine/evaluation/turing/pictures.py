"""Images as raters get them: files that differ in their pixels and in nothing else."""

import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image


def png_of(pixels: NDArray[Any]) -> bytes:
    """A PNG without compression: all images of one shape have the same number of bytes.

    How well an image compresses tells how smooth it is, and with that whether it is refined.

    Args:
        pixels: uint8 [H, W, C], C 1 or 3.
    """
    plane = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    file = io.BytesIO()
    Image.fromarray(plane).save(file, "PNG", compress_level=0)
    return file.getvalue()
