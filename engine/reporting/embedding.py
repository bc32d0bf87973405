"""Images inside of the page: PNG as data URIs, as many as its size allows."""

import base64
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simgan.engine.data.png_encoding import encode_png

BUDGET = 4_000_000  # bytes of all images, as text; the page stays below 5 MB
WIDEST = 1400  # px of a figure
LARGEST = 220  # px of the longer side of a picture in a row of pictures
MOST_PIXELS = 40_000_000  # of a figure's file


class Embedded(NamedTuple):
    """An image for the page: its data URI, size in px and what stands for it in words."""

    uri: str
    width: int
    height: int
    alt: str


class Embedder:
    """Turns images into data URIs until the budget is spent; counts what found no room."""

    def __init__(self, budget: int = BUDGET) -> None:
        self.left = budget
        self.refused: list[str] = []

    def pixels(self, image: NDArray[np.uint8], alt: str) -> Embedded | None:
        """A picture [H, W, C], C 1 or 3; reduced to LARGEST px. None when there is no room."""
        height, width = image.shape[:2]
        longer = max(height, width)
        if longer > LARGEST:
            small = _image(image).resize(
                (max(1, width * LARGEST // longer), max(1, height * LARGEST // longer)),
                Image.Resampling.LANCZOS,
            )
            image = np.asarray(small).reshape(small.height, small.width, -1)
        return self._take(encode_png(np.ascontiguousarray(image)), image.shape[:2], alt)

    def file(self, path: Path, alt: str) -> Embedded | None:
        """A figure in a PNG file, reduced to WIDEST px. None when there is no room for it.

        Raises:
            OSError, ValueError: it is no image, or a far too large one.
        """
        with Image.open(path, formats=["PNG"]) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ValueError(f"{opened.width}x{opened.height} pixels are too many")
            figure = opened if opened.mode in ("L", "RGB", "RGBA") else opened.convert("RGBA")
            figure.load()
        if figure.width > WIDEST:
            height = max(1, figure.height * WIDEST // figure.width)
            figure = figure.resize((WIDEST, height), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        figure.save(file, "PNG", optimize=True)
        return self._take(file.getvalue(), (figure.height, figure.width), alt)

    def _take(self, data: bytes, size: tuple[int, ...], alt: str) -> Embedded | None:
        text = base64.b64encode(data).decode()
        if len(text) > self.left:
            self.refused.append(alt)
            return None
        self.left -= len(text)
        return Embedded(f"data:image/png;base64,{text}", size[1], size[0], alt)


def _image(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
