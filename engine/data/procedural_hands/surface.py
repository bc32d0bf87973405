"""The surface of procedural hands: rounded cones around the bones, seen as depth.

A rounded cone is the union of the spheres whose centre runs along a segment while the radius runs
from one value to another. All of it is projected first (image plane in px, depth in mm), so that a
ray is one pixel and runs along z.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simgan.engine.data.procedural_hands.pose import Array, Hands

FINGER_RADII = (
    (9.2, 8.2, 7.5, 6.4), (10.4, 9.3, 8.5, 7.3), (10.8, 9.7, 8.9, 7.6), (10.6, 9.5, 8.7, 7.3),
)  # fmt: skip
THUMB_RADII = (15.5, 12.5, 11.0, 8.8)
PALM_RADII = ((13.0, 10.0), (14.0, 11.0), (14.0, 11.0), (13.5, 11.0))  # wrist, knuckle
PALM_SLICES = 7  # rounded cones from the wrist to between the knuckles
HEEL = 13.0  # half the width of the palm at the wrist
ARM_RADIUS = 21.0
WEB_RADIUS = 7.0
FLAT = 1e-6  # px^2 below which a cone points straight at the camera


@dataclass(frozen=True)
class Cones:
    """Rounded cones of N hands in camera space, mm: ends [N, P, 3] and radii [N, P]."""

    start: Array
    end: Array
    start_radius: Array
    end_radius: Array


def cones_of(hands: Hands) -> Cones:
    """Fingers, thumb with its web, palm and forearm as rounded cones."""
    parts: list[tuple[Array, Array, float, float]] = []
    for finger, radii in enumerate(FINGER_RADII):
        chain = [hands.knuckles[:, finger], *np.moveaxis(hands.fingers[:, finger], 1, 0)]
        parts += _chain(chain, radii)
    thumb = list(np.moveaxis(hands.thumb, 1, 0))
    parts += _chain(thumb, THUMB_RADII)
    across = hands.size[:, None] * hands.across
    for share in np.linspace(0, len(FINGER_RADII) - 1, PALM_SLICES):
        low, rest = int(min(share, len(FINGER_RADII) - 2)), share - min(int(share), 2)
        knuckle = (1 - rest) * hands.knuckles[:, low] + rest * hands.knuckles[:, low + 1]
        heel = hands.wrist + (2 * share / (len(FINGER_RADII) - 1) - 1) * HEEL * across
        radii = (1 - rest) * np.asarray(PALM_RADII[low]) + rest * np.asarray(PALM_RADII[low + 1])
        parts.append((heel, knuckle, float(radii[0]), float(radii[1])))
    index = hands.knuckles[:, 3]
    for share in (0.55, 0.8):
        web = (1 - share) * hands.thumb[:, 0] + share * hands.thumb[:, 1]
        parts.append((web, 0.45 * hands.wrist + 0.55 * index, 11.0, WEB_RADIUS))
    for side in (-0.35, 0.35):
        shift = side * ARM_RADIUS * across
        parts.append((hands.wrist + shift, hands.arm + 1.6 * shift, 17.0, ARM_RADIUS))
    size = hands.size[:, None]
    return Cones(
        start=np.stack([part[0] for part in parts], axis=1),
        end=np.stack([part[1] for part in parts], axis=1),
        start_radius=np.array([part[2] for part in parts]) * size,
        end_radius=np.array([part[3] for part in parts]) * size,
    )


def _chain(
    points: list[Array], radii: tuple[float, ...]
) -> list[tuple[Array, Array, float, float]]:
    return list(zip(points, points[1:], radii, radii[1:], strict=False))


def draw_depth(
    start: Array,  # [P, 3] px, px, mm
    end: Array,  # [P, 3]
    start_radius: Array,  # [P] px
    end_radius: Array,  # [P] px
    depth_scale: float,  # mm of depth per px
    size: int,
    far: float,
) -> Array:
    """Depth float32 [size, size] mm of the nearest surface along each pixel's ray, else `far`."""
    image = np.full((size, size), far, np.float32)
    radius = np.maximum(start_radius, end_radius)[:, None]
    low = np.floor(np.minimum(start, end)[:, :2] - radius).astype(int).clip(0, size)
    high = np.ceil(np.maximum(start, end)[:, :2] + radius + 1).astype(int).clip(0, size)
    scale = np.array([1.0, 1.0, 1.0 / depth_scale])
    for part in range(len(start)):
        (left, top), (right, bottom) = low[part], high[part]
        if left >= right or top >= bottom:
            continue
        x = np.arange(left, right, dtype=np.float32)[None, :]
        y = np.arange(top, bottom, dtype=np.float32)[:, None]
        near = _nearest(x, y, start[part] * scale, end[part] * scale, start_radius[part],
                        end_radius[part])  # fmt: skip
        window = image[top:bottom, left:right]
        np.fmin(window, near * np.float32(depth_scale), out=window)
    return image


def _nearest(
    x: Array, y: Array, start: Array, end: Array, start_radius: float, end_radius: float
) -> Array:
    """Least z of a rounded cone along the rays at (x, y), NaN where they miss it; all in px.

    The sphere at share s of the way begins at z(s) = z0 + s dz - sqrt(g(s)), where
    g(s) = a + 2 b s + c s^2 is the squared radius less the squared distance from the ray. Its
    derivative vanishes where w = b + c s satisfies w = dz sqrt((b^2 - a c) / (dz^2 - c)). For c < 0
    z is convex, so that the share is only limited to [0, 1]; else the cone points nearly at the
    camera, and either end may be nearest.
    """
    dx, dy, dz = (np.float32(value) for value in end - start)
    r, dr = np.float32(start_radius), np.float32(end_radius - start_radius)
    qx, qy = x - np.float32(start[0]), y - np.float32(start[1])
    c = dr * dr - dx * dx - dy * dy
    steep = c > -FLAT
    c = c if abs(c) > FLAT else np.float32(-FLAT)
    a = r * r - qx * qx - qy * qy
    b = r * dr + qx * dx + qy * dy
    inside = b * b - a * c
    w = dz * np.sqrt(np.maximum(inside, 0) / np.maximum(dz * dz - c, np.float32(FLAT)))
    s = np.clip((w - b) / c, 0, 1)
    depth: Array = _front(a, b, c, s, start[2], dz)
    if steep:
        ends = (_front(a, b, c, np.float32(end), start[2], dz) for end in (0, 1))
        depth = np.fmin(depth, np.fmin(*ends))
    return depth


def _front(a: Any, b: Any, c: Any, s: Any, z: Any, dz: Any) -> Array:
    """Where the sphere at share s begins, NaN where the ray misses it."""
    with np.errstate(invalid="ignore"):
        front: Array = np.float32(z) + s * dz - np.sqrt(a + s * (2 * b + c * s))
    return front
