"""Sample grids: synthetic | refined | difference | real | the discriminator's patch map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from simgan.engine.data.batches import Batches
from simgan.engine.step import Players
from simgan.kernels import REFINED

COLUMNS = ("synthetic", "refined", "difference", "real", "P(refined) by patch")
TILE_WIDTH = 220  # pixels, about
GAP = 6
HEADER = 18
ROWS = 6


@dataclass(frozen=True)
class SampleSet:
    """The same few images at every grid, float [n, C, H, W] in [-1, 1] on the device."""

    synthetic: Tensor
    real: Tensor


def fixed_samples(synthetic: Batches, real: Batches) -> SampleSet:
    """The same evenly spread images of both sets at every grid."""
    rows = min(ROWS, len(synthetic.array.names), len(real.array.names))
    picked = [
        batches.pick(spread_indices(len(batches.array.names), rows))
        for batches in (synthetic, real)
    ]
    return SampleSet(*picked)


def spread_indices(count: int, rows: int) -> list[int]:
    """`rows` indices evenly spread over `count` images."""
    rows = min(rows, count)
    return [(2 * row + 1) * count // (2 * rows) for row in range(rows)]


def draw_samples(players: Players, samples: SampleSet) -> np.ndarray:
    """The grid as uint8 [H, W, 3]."""
    with torch.no_grad(), players.precision.autocast():
        synthetic = players.precision.images(samples.synthetic)
        refined = players.refiner(synthetic).float()
        logits = players.discriminator(players.precision.images(refined)).float()
    difference = (refined - samples.synthetic).clamp(-1, 1)
    columns = [
        _gray_or_rgb(samples.synthetic),
        _gray_or_rgb(refined),
        _gray_or_rgb(difference),
        _gray_or_rgb(samples.real),
        _probability_map(logits, tuple(refined.shape[2:])),
    ]
    return _grid(columns)


def save_grid(grid: np.ndarray, path: Path) -> None:
    """Write the grid as a PNG, whole or not at all."""
    beside = path.with_name(f".tmp-{path.name}")
    try:
        Image.fromarray(grid).save(beside, format="PNG")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _gray_or_rgb(x: Tensor) -> np.ndarray:
    """[n, C, H, W] in [-1, 1] -> uint8 [n, H, W, 3]."""
    x = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    if x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    return x[:, :3].permute(0, 2, 3, 1).cpu().numpy()


def _probability_map(logits: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """P(REFINED) of each patch: blue where it looks real, white at 0.5, red where refined."""
    probability = F.softmax(logits, dim=1)[:, REFINED : REFINED + 1]
    p = F.interpolate(probability, size=size, mode="nearest")[:, 0].cpu()
    red, blue = (2 * p).clamp(max=1), (2 - 2 * p).clamp(max=1)
    rgb = torch.stack((red, torch.minimum(red, blue), blue), dim=-1)
    return (rgb * 255).round().to(torch.uint8).numpy()


def _grid(columns: list[np.ndarray]) -> np.ndarray:
    height, width = columns[0].shape[1:3]
    scale = max(1, TILE_WIDTH // width)
    rows = len(columns[0])
    tile_h, tile_w = height * scale, width * scale
    canvas = Image.new(
        "RGB",
        (len(columns) * (tile_w + GAP) + GAP, rows * (tile_h + GAP) + GAP + HEADER),
        (24, 24, 28),
    )
    draw = ImageDraw.Draw(canvas)
    for c, (name, images) in enumerate(zip(COLUMNS, columns, strict=True)):
        x = GAP + c * (tile_w + GAP)
        draw.text((x + 2, 3), name, fill=(230, 230, 230))
        for r, pixels in enumerate(images):
            tile = Image.fromarray(pixels).resize((tile_w, tile_h), Image.Resampling.NEAREST)
            canvas.paste(tile, (x, HEADER + GAP + r * (tile_h + GAP)))
    return np.asarray(canvas)
