"""A contact sheet: some images of a set with their labels drawn in, as one PNG."""

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from simgan.engine.data.pixels import resize
from simgan.engine.data.source import Source

COLUMNS = 8
CELL = 144  # px; images are enlarged or reduced to fit
GAP = 4
CAPTION = 14
BACKGROUND = (24, 24, 27)
GAZE_COLOR = (255, 190, 30)
POINT_COLOR = (60, 220, 120)
TEXT_COLOR = (200, 200, 205)


def draw_sheet(source: Source, indices: list[int], limits: tuple[float, float]) -> bytes:
    """The bytes of a PNG file.

    Args:
        source: of the images.
        indices: which of them to show.
        limits: stored values shown as black and white.
    Returns:
        A grid of images; gaze as an arrow in the direction one would see, points as dots.
    """
    tiles = [_tile(source, index, limits) for index in indices]
    width = max(tile.width for tile in tiles)
    height = max(tile.height for tile in tiles) + CAPTION
    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    size = (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for place, (index, tile) in enumerate(zip(indices, tiles, strict=True)):
        row, column = divmod(place, columns)
        x, y = GAP + column * (width + GAP), GAP + row * (height + GAP)
        sheet.paste(tile, (x, y))
        draw.text((x, y + tile.height + 1), _short(source.names[index], width), fill=TEXT_COLOR)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _short(name: str, width: int) -> str:
    """The end of a name, as much as fits, in ASCII (the built-in font has nothing else)."""
    room = max(4, width // 6)
    ascii_name = name.encode("ascii", "replace").decode()
    return ascii_name if len(ascii_name) <= room else ".." + ascii_name[2 - room :]


def _tile(source: Source, index: int, limits: tuple[float, float]) -> Image.Image:
    pixels = source.read(index)
    height, width = pixels.shape[:2]
    scale = CELL / max(height, width)
    if scale > 1:
        scale = float(max(1, int(scale)))
        enlarged = pixels.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    else:
        enlarged = resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
    tile = Image.fromarray(_as_rgb(enlarged, limits))
    _draw_labels(ImageDraw.Draw(tile), source, index, (width, height), scale)
    return tile


def _as_rgb(pixels: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = limits
    shown = (pixels.astype(np.float32) - low) / max(high - low, 1e-6)
    gray = (np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.repeat(gray, 3, axis=-1) if gray.shape[-1] == 1 else gray


def _draw_labels(
    draw: ImageDraw.ImageDraw, source: Source, index: int, size: tuple[int, int], scale: float
) -> None:
    center = (size[0] / 2, size[1] / 2)
    if _has(source, "pupil_center", 1):
        x, y = source.labels["pupil_center"][index][:2]
        center = (float(x), float(y))
        _dot(draw, center, scale)
    if _has(source, "joints", 2):
        for joint in source.labels["joints"][index]:
            _dot(draw, (float(joint[0]), float(joint[1])), scale)
    if _has(source, "gaze", 1):
        pitch, yaw = (float(angle) for angle in source.labels["gaze"][index])
        length = 0.45 * size[0]
        tip = (
            center[0] + length * math.cos(pitch) * math.sin(yaw),
            center[1] - length * math.sin(pitch),
        )
        line = [(x * scale, y * scale) for x, y in (center, tip)]
        draw.line(line, fill=GAZE_COLOR, width=2)


def _has(source: Source, key: str, rank: int) -> bool:
    values = source.labels.get(key)
    return values is not None and values.ndim == rank + 1 and values.shape[-1] >= 2


def _dot(draw: ImageDraw.ImageDraw, point: tuple[float, float], scale: float) -> None:
    x, y = point[0] * scale, point[1] * scale
    draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=POINT_COLOR)
