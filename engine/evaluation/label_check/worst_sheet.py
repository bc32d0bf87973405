"""The worst pairs of every measure as one picture: synthetic, refined, difference, with marks."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from simgan.engine.evaluation.label_check.iris_ellipse import Ellipses
from simgan.engine.evaluation.label_check.measures import Compared, Measured

CASES = 8  # of each measure
COLUMNS = 2  # cases side by side
CELL = 220  # px, about; images are enlarged by whole numbers
GAP, BETWEEN, CAPTION, TITLE = 4, 16, 14, 26
BACKGROUND, TEXT, HEADING = (24, 24, 27), (200, 200, 205), (240, 240, 245)
BEFORE, AFTER = (60, 200, 255), (255, 140, 30)


def draw_worst(images: Compared, measures: dict[str, Measured]) -> bytes:
    """The bytes of a PNG file.

    Each case is three images: synthetic with marks of what was found in it (blue), refined with
    the same marks and those found in it (orange), and the difference, gray where there is none.
    """
    height, width = images.synthetic.shape[1:]
    scale = max(1, round(CELL / width))
    box = (width * scale, height * scale)
    case = (3 * box[0] + 2 * GAP, box[1] + CAPTION)
    sections = [(found, _worst(found)) for found in measures.values()]
    rows = [math.ceil(len(chosen) / COLUMNS) for _, chosen in sections]
    size = (
        COLUMNS * case[0] + (COLUMNS - 1) * BETWEEN + 2 * GAP,
        sum(TITLE + count * (case[1] + GAP) for count in rows) + TITLE,
    )
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    legend = "synthetic, refined, difference; marks: blue in the synthetic, orange in the refined"
    draw.text((GAP, 6), legend, fill=TEXT)
    y = TITLE
    for (found, chosen), count in zip(sections, rows, strict=True):
        draw.text((GAP, y + 6), found.title, fill=HEADING, font_size=14)
        for place, index in enumerate(chosen):
            row, column = divmod(place, COLUMNS)
            at = (GAP + column * (case[0] + BETWEEN), y + TITLE + row * (case[1] + GAP))
            for number, tile in enumerate(_tiles(images, found, index, scale)):
                sheet.paste(tile, (at[0] + number * (box[0] + GAP), at[1]))
            name = images.pairs.names[index].encode("ascii", "replace").decode()[-60:]
            draw.text((at[0], at[1] + box[1] + 1), f"{found.badness[index]:.2f}  {name}", fill=TEXT)
        y += TITLE + count * (case[1] + GAP)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _worst(found: Measured) -> list[int]:
    """Pairs of the greatest badness, the worst first; those not measured are none of them."""
    known = np.flatnonzero(np.isfinite(found.badness))
    order = known[np.argsort(-found.badness[known], kind="stable")]
    return [int(index) for index in order[:CASES]]


def _tiles(images: Compared, found: Measured, index: int, scale: int) -> list[Image.Image]:
    before, after = (_gray(x, index) for x in (images.synthetic, images.refined))
    low, high = float(min(before.min(), after.min())), float(max(before.max(), after.max()))
    stretch = 1 / max(high - low, 1e-6)
    shown = [(before - low) * stretch, (after - low) * stretch, 0.5 + (after - before) / 2]
    tiles = [_enlarged(pixels, scale) for pixels in shown]
    if found.ellipses is not None:
        for tile, marks in zip(tiles, ((BEFORE,), (BEFORE, AFTER)), strict=False):
            for fits, color in zip(found.ellipses, marks, strict=False):
                _draw_ellipse(ImageDraw.Draw(tile), fits, index, color, scale)
    if found.moves is not None:
        for move in found.moves[index]:
            if np.isfinite(move).all():
                _draw_dot(ImageDraw.Draw(tiles[0]), move[0], BEFORE, scale)
                _draw_dot(ImageDraw.Draw(tiles[1]), move[0], BEFORE, scale)
                _draw_dot(ImageDraw.Draw(tiles[1]), move[1], AFTER, scale)
    return tiles


def _gray(x: Tensor, index: int) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = x[index].numpy()
    return pixels


def _enlarged(pixels: NDArray[np.float32], scale: int) -> Image.Image:
    stored = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(stored.repeat(scale, axis=0).repeat(scale, axis=1)).convert("RGB")


def _draw_ellipse(
    draw: ImageDraw.ImageDraw, fits: Ellipses, index: int, color: tuple[int, ...], scale: int
) -> None:
    outline = [tuple((point + 0.5) * scale) for point in fits.outline(index)]
    draw.line([*outline, outline[0]], fill=color)
    x, y = (fits.centers[index] + 0.5) * scale
    draw.line((x - 4, y, x + 4, y), fill=color)
    draw.line((x, y - 4, x, y + 4), fill=color)


def _draw_dot(
    draw: ImageDraw.ImageDraw, point: NDArray[np.float64], color: tuple[int, ...], scale: int
) -> None:
    x, y = (point + 0.5) * scale
    draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=color)
