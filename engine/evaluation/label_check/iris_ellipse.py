"""Ellipses fitted to the border of the iris (the limbus), whose centre stands for the pupil's.

To first order in its eccentricity an ellipse is the curve rho(t) = r (1 + a cos 2t + b sin 2t)
about its centre, and a move of the centre by (u, v) adds u cos t + v sin t. So edges found on rays
from an approximate centre give centre, radius and shape by linear least squares, with robust
weights; repeated from the new centre. The terms of second order do not move the centre.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.evaluation.label_check.brightness import (
    PAPER_WIDTH,
    blurred,
    contrast,
    length,
    sampled,
)
from simgan.engine.evaluation.label_check.iris_search import find_circles

CHUNK = 128  # images at once
RAYS = 64
SIDE = math.radians(50)  # rays farther from the horizontal meet lids, not the limbus
BLUR = 0.7  # px at a width of 55, as all lengths below
FIRST_REACH, REACH = (0.6, 1.5), (0.72, 1.28)  # of the radius: where on a ray the edge may lie
FIRST_SPREAD, SPREAD = 0.25, 0.14  # of the radius: edges near the last fit are preferred
ROUNDS, FIRST_ROUNDS = 8, 2
SAMPLES = 37  # on a ray
OUTLIER = 0.4  # px; Cauchy-like weight
EDGE_DEVIATION, SHAPE_DEVIATION = 0.35, 0.03  # px, and of a and b before any edge is seen
RADIUS_LIMITS = (4.4, 9.35)
KNOWN_DEVIATION, KNOWN_LIMIT = 0.04, 0.15  # of a radius that is known
SHAPE_LIMIT = 0.2
MAX_ROUGHNESS = 0.12  # px
MIN_EDGES, MIN_EDGES_KNOWN = 15.0, 11.5  # sum of weights over about 34 rays; by known radius
MIN_STEP = 0.015  # of the image's contrast, per sample of a ray


Limits = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Ellipses:
    """Fits of N images.

    Attributes:
        centers: float64 [N, 2], (x, y) in px; (0, 0) is the middle of the top left pixel.
        radii: float64 [N], px.
        shapes: float64 [N, 2], a and b of the module's formula.
        good: bool [N]; the others are no irises, and are left out.
    """

    centers: NDArray[np.float64]
    radii: NDArray[np.float64]
    shapes: NDArray[np.float64]
    good: NDArray[np.bool_]

    def outline(self, index: int, points: int = 48) -> NDArray[np.float64]:
        """Points (x, y) on one ellipse, [points, 2]."""
        angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
        a, b = self.shapes[index]
        reach = self.radii[index] * (1 + a * np.cos(2 * angles) + b * np.sin(2 * angles))
        around = np.stack((np.cos(angles), np.sin(angles)), axis=1)
        outline: NDArray[np.float64] = self.centers[index] + reach[:, None] * around
        return outline


def fit_ellipses(x: Tensor, radii: NDArray[np.float64] | None = None) -> Ellipses:
    """Find and fit the iris of every image.

    Args:
        x: brightness float [N, H, W] of single eyes that fill the image as the paper's do.
        radii: [N] px, about, where the size is known from another image of the same eye: then an
            ellipse between pupil and limbus is none. Where the iris is remains free.
    """
    known = None if radii is None else torch.from_numpy(radii)
    starts = range(0, len(x), CHUNK)
    parts = [
        _fit(x[i : i + CHUNK].double(), None if known is None else known[i : i + CHUNK])
        for i in starts
    ]
    curve, good = (torch.cat(group) for group in zip(*parts, strict=True))
    values = curve.numpy()
    return Ellipses(values[:, :2], values[:, 2], values[:, 3:], good.numpy())


def _fit(x: Tensor, radii: Tensor | None) -> tuple[Tensor, Tensor]:
    """Curves (x, y, r, a, b) [n, 5] and whether they are good [n]."""
    image = blurred(x, length(BLUR, x))
    circles = find_circles(x, radii)
    curve = torch.cat((circles, torch.zeros_like(circles[:, :2])), dim=1)
    angles = 2 * math.pi * torch.arange(RAYS, dtype=x.dtype) / RAYS
    angles = angles[torch.sin(angles).abs() < math.sin(SIDE)]
    limits = _radius_limits(x, radii)
    for number in range(ROUNDS):
        first = number < FIRST_ROUNDS
        edges = _edges(image, curve, angles, FIRST_REACH if first else REACH,
                       FIRST_SPREAD if first else SPREAD)  # fmt: skip
        change, weight, rest = _solve(curve, angles, *edges[:2], length(1.0, x), radii)
        curve = torch.cat(
            (
                curve[:, :2] + change[:, 1:3].clamp(-length(2.0, x), length(2.0, x)),
                change[:, :1].clamp(*(limit[:, None] for limit in limits)),
                change[:, 3:].clamp(-SHAPE_LIMIT, SHAPE_LIMIT),
            ),
            dim=1,
        )
    least = MIN_EDGES if radii is None else MIN_EDGES_KNOWN
    return curve, _is_good(x, curve, weight, rest, edges[2], limits) & (weight.sum(1) > least)


def _radius_limits(x: Tensor, radii: Tensor | None) -> Limits:
    """Least and greatest radius of each image, [n] each."""
    if radii is not None:
        return radii * (1 - KNOWN_LIMIT), radii * (1 + KNOWN_LIMIT)
    low, high = (torch.full((len(x),), length(r, x), dtype=x.dtype) for r in RADIUS_LIMITS)
    return low, high


def _edges(
    image: Tensor, curve: Tensor, angles: Tensor, reach: tuple[float, float], spread: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Distance of the strongest edge on each ray, its weight and its step, [n, rays] each."""
    height, width = image.shape[1:]
    center_x, center_y, radius, a, b = (value[:, None, None] for value in curve.unbind(1))
    shape = 1 + a * torch.cos(2 * angles)[:, None] + b * torch.sin(2 * angles)[:, None]
    relative = torch.linspace(*reach, SAMPLES, dtype=image.dtype)
    distance = radius * shape * relative
    columns = center_x + distance * torch.cos(angles)[:, None]
    rows = center_y + distance * torch.sin(angles)[:, None]
    inside = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
    profile = sampled(image, columns, rows)
    step = (profile[..., 2:] - profile[..., :-2]) / 2  # of the samples but the first and the last
    step = step * torch.exp(-0.5 * ((relative[1:-1] - 1) / spread) ** 2)
    place = 1 + step[..., 1:-1].argmax(-1, keepdim=True)
    before, at, after = (step.gather(-1, place + offset)[..., 0] for offset in (-1, 0, 1))
    bend = before - 2 * at + after
    between = torch.where(bend.abs() > 1e-12, 0.5 * (before - after) / bend, 0).clamp(-0.5, 0.5)
    spacing = distance[..., 1] - distance[..., 0]
    rho = distance.gather(-1, place + 1)[..., 0] + between * spacing
    strength = at.clamp_min(0)
    usual = torch.quantile(strength, 0.7, dim=1, keepdim=True) + 1e-12
    weight = (strength / usual).clamp_max(1) ** 2 * inside.all(-1)
    return rho, weight, strength


def _solve(
    curve: Tensor,
    angles: Tensor,
    rho: Tensor,
    weight: Tensor,
    px: float,
    radii: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(r, u, v, a, b) [n, 5] by iterated weighted least squares; last weights and residuals."""
    waves = (torch.cos(angles), torch.sin(angles), torch.cos(2 * angles), torch.sin(2 * angles))
    basis = torch.stack((torch.ones_like(angles), *waves), dim=1).repeat(len(curve), 1, 1)
    basis[..., 3:] *= curve[:, 2, None, None]
    # What is expected before any edge: nearly a circle, of the known or else the last radius (which
    # hardly counts), about the last centre (which hardly counts either).
    prior = torch.tensor((1e-6, 1e-3, 1e-3, 0, 0), dtype=rho.dtype).repeat(len(curve), 1)
    prior[:, 3:] = (EDGE_DEVIATION * px / SHAPE_DEVIATION) ** 2
    expected = curve[:, 2] if radii is None else radii
    if radii is not None:
        prior[:, 0] = (EDGE_DEVIATION * px / (KNOWN_DEVIATION * radii)) ** 2
    pull = torch.zeros_like(curve)
    pull[:, 0] = prior[:, 0] * expected
    robust = weight
    for _ in range(6):
        scaled = basis * robust[..., None]
        normal = scaled.mT @ basis + torch.diag_embed(prior)
        right = (scaled * rho[..., None]).sum(1) + pull
        solution = torch.linalg.solve(normal, right)
        rest = rho - (basis @ solution[..., None])[..., 0]
        robust = weight / (1 + (rest / (OUTLIER * px)) ** 2) ** 2
    return solution, robust, rest


def _is_good(
    x: Tensor, curve: Tensor, weight: Tensor, rest: Tensor, step: Tensor, limits: Limits
) -> Tensor:
    """Whether edges agree with the curve, and are steps and a radius that an eye could have."""
    total = weight.sum(1)
    roughness = ((weight * rest**2).sum(1) / (total + 1e-12)).sqrt() * PAPER_WIDTH / x.shape[2]
    low, high = contrast(x)
    relative = (weight * step).sum(1) / (total + 1e-12) / (high - low).clamp_min(1e-6)
    radius = curve[:, 2]
    return (
        (roughness < MAX_ROUGHNESS)
        & (relative > MIN_STEP)
        & (radius > limits[0] * 1.001)
        & (radius < limits[1] * 0.999)
    )
