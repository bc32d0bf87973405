"""A cheap webcam for procedural eyes: texture noise, defocus, vignette, sharpening, tone, noise."""

import numpy as np

from simgan.engine.data.procedural_eyes.geometry import SUPERSAMPLE, Array
from simgan.engine.data.procedural_eyes.looks import EyeLooks

COARSE_CELL = 12  # samples between the lattice points of coarse texture
FINE_CELL = 2


def downsample(samples: Array) -> Array:
    """Mean of SUPERSAMPLE x SUPERSAMPLE samples: [N, H', W'] -> [N, H, W]."""
    total = sum(
        samples[:, row::SUPERSAMPLE, column::SUPERSAMPLE]
        for row in range(SUPERSAMPLE)
        for column in range(SUPERSAMPLE)
    )
    return np.asarray(total) / SUPERSAMPLE**2


def lattice_shape(height: int, width: int, cell: int) -> tuple[int, int]:
    """Lattice points needed for value noise over a supersampled image."""
    return SUPERSAMPLE * height // cell + 2, SUPERSAMPLE * width // cell + 2


def texture_draws(height: int, width: int) -> int:
    """Normal numbers that `texture` consumes per image."""
    shapes = [lattice_shape(height, width, cell) for cell in (COARSE_CELL, FINE_CELL)]
    return sum(rows * columns for rows, columns in shapes)


def texture(normal: Array, height: int, width: int) -> Array:
    """Coarse and fine value noise [2, N, H', W'] from normal numbers [N, texture_draws]."""
    layers, used = [], 0
    for cell in (COARSE_CELL, FINE_CELL):
        rows, columns = lattice_shape(height, width, cell)
        lattice = normal[:, used : used + rows * columns].reshape(-1, rows, columns)
        used += rows * columns
        layers.append(stretch(stretch(lattice, 1, height, cell), 2, width, cell))
    return np.stack(layers)


def stretch(lattice: Array, axis: int, pixels: int, cell: int) -> Array:
    """Smoothly interpolate lattice values along one axis to SUPERSAMPLE * pixels samples."""
    position = np.arange(SUPERSAMPLE * pixels, dtype=np.float32) / cell
    first = position.astype(np.int64)
    share = position - first.astype(np.float32)
    share = share * share * (3 - share - share)
    share = share.reshape((-1, 1) if axis == 1 else (1, -1))
    start, end = np.take(lattice, first, axis), np.take(lattice, first + 1, axis)
    values: Array = start + share * (end - start)
    return values


def photograph(scene: Array, looks: EyeLooks, noise: Array) -> Array:
    """What a webcam makes of the scene [N, H, W]; noise: normal numbers [N, H, W]."""
    sharp = blur(vignette(scene, looks["vignette"]) * looks["exposure"], looks["blur"])
    light = np.maximum(sharp, 0)
    # Demosaicing smooths the noise of neighbouring pixels.
    grain = blur(noise, 0.45)
    light = light + grain * (looks["shot_noise"] * np.sqrt(light) + looks["read_noise"])
    light = light + looks["sharpening"] * (light - blur(light, 0.8))
    light = np.clip(light, 0, 1)
    # A blend with smoothstep: an S-shaped tone curve for positive contrast, else a flatter one.
    curve = light * light * (3 - light - light)
    light = light + looks["contrast"] * (curve - light)
    shown: Array = looks["black_level"] + (1 - looks["black_level"]) * light
    return shown


def vignette(scene: Array, strength: Array) -> Array:
    """Darken towards the corners of the image [N, H, W]."""
    _, height, width = scene.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[None, :, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, None, :]
    return scene * (1 - strength * 0.5 * (x * x + y * y))


def blur(image: Array, sigma: Array | float) -> Array:
    """Blur [N, H, W] by about `sigma` pixels; two passes of a three-tap filter on each axis."""
    # A tap of weight w at +-1 has variance 2 w, and two passes add up.
    weight = np.asarray(np.minimum(sigma * sigma * 0.25, 0.33), np.float32)
    for _ in range(2):
        padded = np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="edge")
        image = image + weight * (padded[:, :-2] + padded[:, 2:] - image - image)
        padded = np.pad(image, ((0, 0), (0, 0), (1, 1)), mode="edge")
        image = image + weight * (padded[:, :, :-2] + padded[:, :, 2:] - image - image)
    return image
