"""A cheap structured-light depth camera: ragged edges, shadows, steps of depth, noise, holes."""

import numpy as np

from simgan.engine.data.procedural_hands.pose import Array

CELL = 4.0  # px of a 224x224 image between the points that edges are shifted at
NATIVE = 224.0
RAGGED = 1.9  # mm that edges are shifted by, standard deviation
JITTER = 0.3  # px that single pixels of edges are shifted by, standard deviation
STEP = 2.0  # mm between neighbouring values of depth
NOISE = 1.1  # mm, standard deviation
BASELINE = 75.0  # mm from the projector to the camera
DISTANCE = 700.0  # mm to the hand, for shadows
HOLE_SLOPE = 3.2  # mm of depth per mm across, above which most light is lost
SHADOW = 8  # px looked at for what stands between projector and surface


def cells(size: int) -> int:
    """Points along one side of an image, with one beyond its end."""
    return int(size / cell_size(size)) + 2


def cell_size(size: int) -> float:
    """Distance of the points in px."""
    return max(1.0, CELL * size / NATIVE)


def noise_draws(size: int) -> int:
    """Normal numbers that `photograph` consumes per image."""
    return 3 * cells(size) ** 2 + size * size


def photograph(depth: Array, noise: Array, cube: float) -> Array:
    """What the camera makes of a depth image.

    Args:
        depth: float32 [size, size], mm; `cube` where there is nothing.
        noise: normal numbers [noise_draws(size)].
        cube: mm across the image, and from its near to its far plane.
    Returns:
        float32 [size, size] mm; what is not seen is `cube`.
    """
    size = len(depth)
    many = cells(size) ** 2
    mm = cube / size
    lattice = noise[: 3 * many].reshape(3, cells(size), cells(size))
    down, right, lost = _interpolated(lattice, size)
    fine = noise[3 * many :].reshape(size, size)
    index = np.arange(size, dtype=np.float32)
    rows = _shifted(index[:, None] + down * (RAGGED / mm) + JITTER * fine, size)
    columns = _shifted(index[None, :] + right * (RAGGED / mm) - JITTER * fine, size)
    hidden = _shadowed(depth, mm) | (_slope(depth) / mm * (1 + 0.6 * lost) > HOLE_SLOPE)
    seen, hidden = depth[rows, columns], hidden[rows, columns]
    measured = seen + NOISE * fine
    stepped = np.round(measured / STEP) * STEP
    return np.where(hidden | (seen >= cube), np.float32(cube), stepped).astype(np.float32)


def _interpolated(lattice: Array, size: int) -> Array:
    """Values at the points [F, P, P] -> at the pixels [F, size, size], linearly."""
    position = np.arange(size, dtype=np.float32) / np.float32(cell_size(size))
    first = position.astype(np.int64)
    share = position - first.astype(np.float32)
    rows = lattice[:, first] + share[:, None] * (lattice[:, first + 1] - lattice[:, first])
    values: Array = rows[:, :, first] + share * (rows[:, :, first + 1] - rows[:, :, first])
    return values


def _shifted(position: Array, size: int) -> Array:
    return np.rint(position).astype(np.int64).clip(0, size - 1)


def _slope(depth: Array) -> Array:
    """Greatest depth difference to the neighbours above and to the left, which are nearer, mm."""
    slope = np.zeros_like(depth)
    slope[1:] = np.maximum(slope[1:], depth[1:] - depth[:-1])
    slope[:, 1:] = np.maximum(slope[:, 1:], depth[:, 1:] - depth[:, :-1])
    return slope


def _shadowed(depth: Array, mm: float) -> Array:
    """Where something to the right stands in the light of the projector."""
    rise = np.float32(mm * DISTANCE / BASELINE)
    hidden = np.zeros(depth.shape, bool)
    for distance in range(1, min(SHADOW, depth.shape[1] - 1) + 1):
        nearer = depth[:, :-distance] - depth[:, distance:]
        hidden[:, :-distance] |= nearer > distance * rise + STEP
    return hidden
