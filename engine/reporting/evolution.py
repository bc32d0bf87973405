"""The same few images at steps of the run: tiles cut out of its sample grids."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simgan.engine.reporting.embedding import Embedded, Embedder
from simgan.engine.samples import COLUMNS, GAP, HEADER, TILE_WIDTH

STEPS = 5  # grids that are shown
IMAGES = 4

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Evolution:
    """Pictures by image and step.

    Attributes:
        headings: "synthetic", then the steps.
        rows: one per image, as many pictures as headings; None where there was no room.
        whole: the newest grid as it was drawn.
        notes: what could not be read.
    """

    headings: list[str]
    rows: list[list[Embedded | None]]
    whole: Embedded | None
    notes: list[str]


def evolution(
    grids: Mapping[int, Path], size: tuple[int, int] | None, embedder: Embedder
) -> Evolution:
    """Evenly chosen steps, the last one among them.

    Args:
        grids: PNG files by step.
        size: height and width of the run's images; None while that is not known.
        embedder: takes the pictures in.
    """
    notes: list[str] = []
    steps = choose(list(grids))
    tiles: dict[int, tuple[list[Pixels], list[Pixels]]] = {}
    for step in steps:
        try:
            with Image.open(grids[step], formats=["PNG"]) as opened:
                grid = np.asarray(opened.convert("RGB"))
        except (OSError, ValueError) as error:
            notes.append(f"{grids[step].name} cannot be read: {error}")
            continue
        found = [cut(grid, name, size) for name in ("synthetic", "refined")] if size else []
        if all(found) and found:
            tiles[step] = (found[0], found[1])
    count = min([IMAGES, *(len(refined) for _, refined in tiles.values())]) if tiles else 0
    rows = []
    for index in range(count):
        synthetic = next(reversed(tiles.values()))[0][index]
        row = [embedder.pixels(synthetic, f"synthetic image {index + 1}")]
        for step, (_, refined) in tiles.items():
            alt = f"image {index + 1} refined at step {step:,}"
            row.append(embedder.pixels(refined[index], alt))
        rows.append(row)
    headings = ["synthetic", *(f"step {step:,}" for step in tiles)]
    return Evolution(headings, rows, _whole(grids, embedder, notes), notes)


def choose(steps: list[int]) -> list[int]:
    """Up to STEPS of the steps, evenly spread, with the first and the last one."""
    if len(steps) <= STEPS:
        return steps
    return [steps[round(i * (len(steps) - 1) / (STEPS - 1))] for i in range(STEPS)]


def cut(grid: Pixels, column: str, size: tuple[int, int]) -> list[Pixels]:
    """The pictures of one column of a sample grid [H, W, 3], at their own size; [] if it has none.

    Args:
        grid: as `draw_samples` makes it.
        column: one of its COLUMNS.
        size: height and width of the images.
    """
    height, width = size
    scale = max(1, TILE_WIDTH // width)
    tall, wide = height * scale, width * scale
    rows, rest = divmod(grid.shape[0] - GAP - HEADER, tall + GAP)
    if rest or rows < 1 or grid.shape[1] != len(COLUMNS) * (wide + GAP) + GAP:
        return []
    left = GAP + COLUMNS.index(column) * (wide + GAP)
    tops = [HEADER + GAP + row * (tall + GAP) for row in range(rows)]
    return [grid[top : top + tall : scale, left : left + wide : scale] for top in tops]


def _whole(grids: Mapping[int, Path], embedder: Embedder, notes: list[str]) -> Embedded | None:
    if not grids:
        return None
    step = max(grids)
    alt = f"sample grid of step {step:,}: {', '.join(COLUMNS)}"
    try:
        return embedder.file(grids[step], alt)
    except (OSError, ValueError) as error:
        notes.append(f"{grids[step].name} cannot be shown: {error}")
        return None
