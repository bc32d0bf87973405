"""Finds the iris: the circle that is dark inside, bright to both sides, with edges left and right.

The integro-differential operator of Daugman, "How iris recognition works" (2004), on the side
arcs alone, since lids cover the iris above and below; and with two terms for darkness inside and
brightness outside, without which a circle between pupil and limbus has edges as good.
"""

import math

import torch
from torch import Tensor

from simgan.engine.evaluation.label_check.brightness import (
    blurred,
    contrast,
    gradients,
    length,
    sampled,
)

RADII = (5.0, 5.5, 6.0, 6.6, 7.2, 7.8, 8.3)  # px at a width of 55
ARC = math.radians(45)  # of each side arc, above and below the horizontal
ARC_POINTS = 9
MARGIN_X, MARGIN_Y = 0.15, 0.2  # of the image, in which no centre is looked for
DARKNESS = 1.5  # weights of the terms against that of the edges, found on procedural eyes
BRIGHTNESS = 0.5
ENOUGH_BRIGHTNESS = 0.7  # skin is not to win because it is brighter still
OUTSIDE = 1.8  # px at a width of 55 beyond the edge


def find_circles(x: Tensor, radii: Tensor | None = None) -> Tensor:
    """The best circle (x, y, radius) of each image, px, float [N, 3], on a grid about 1 px wide.

    Args:
        x: brightness float [N, H, W].
        radii: [N] px, where they are known; else several are tried.
    """
    image = blurred(x, length(1.0, x))
    low, high = (edge[:, None, None] for edge in contrast(x))
    scale = (high - low).clamp_min(1e-6)
    bright = ((image - low) / scale).clamp(0, 1)
    right, down = _compressed(*gradients(image))
    columns, rows = _centres(x)
    dark = sampled((blurred(x, length(2.5, x)) - low) / scale, columns, rows)
    best = torch.full((len(x),), -math.inf, dtype=x.dtype)
    tried = [radii] if radii is not None else [torch.full_like(best, length(r, x)) for r in RADII]
    found = torch.zeros((len(x), 3), dtype=x.dtype)
    for radius in tried:
        size = radius[:, None, None]
        edges, beyond = [], []
        for side in (1.0, -1.0):
            angles = torch.linspace(-ARC, ARC, ARC_POINTS, dtype=x.dtype)
            toward = side * torch.cos(angles), torch.sin(angles)
            at = [p[..., None] + size * n for p, n in zip((columns, rows), toward, strict=True)]
            step = sampled(right, *at) * toward[0] + sampled(down, *at) * toward[1]
            edges.append(step.mean(-1))
            out = [p + length(OUTSIDE, x) * n for p, n in zip(at, toward, strict=True)]
            beyond.append(sampled(bright, *out).mean(-1))
        score = 0.25 * (edges[0] + edges[1]) + 0.5 * torch.minimum(*edges)
        score += BRIGHTNESS * torch.minimum(*beyond).clamp_max(ENOUGH_BRIGHTNESS)
        score -= DARKNESS * dark
        value, place = score.max(dim=1)
        circle = torch.stack((columns[0, place], rows[0, place], radius), dim=1)
        found = torch.where((value > best)[:, None], circle, found)
        best = torch.maximum(best, value)
    return found


def _centres(x: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and rows of the centres that are tried, [1, M] each."""
    height, width = x.shape[1:]
    step = max(1.0, length(1.0, x))
    columns = torch.arange(MARGIN_X * width, (1 - MARGIN_X) * width, step, dtype=x.dtype)
    rows = torch.arange(MARGIN_Y * height, (1 - MARGIN_Y) * height, step, dtype=x.dtype)
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return grid[1].reshape(1, -1), grid[0].reshape(1, -1)


def _compressed(right: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of length below 1: strong edges count for little more than fair ones."""
    size = torch.hypot(right, down)
    usual = torch.quantile(size.flatten(1), 0.95, dim=1)[:, None, None] + 1e-6
    return right / (size + usual), down / (size + usual)
