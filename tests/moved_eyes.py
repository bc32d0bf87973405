"""Images whose content moved by a known amount: procedural eyes drawn anew, and Fourier shifts."""

import dataclasses
from typing import Any

import numpy as np

from simgan.engine.data.procedural_eyes.geometry import EyeShapes
from simgan.engine.data.procedural_eyes.source import ProceduralEyes


class MovedIrises(ProceduralEyes):
    """Procedural eyes whose irises lie `move` (x, y) px from where they were; lids stay."""

    move = (0.0, 0.0)

    def _shapes(self, words: Any) -> EyeShapes:
        shapes = super()._shapes(words)
        x = shapes.gaze_x + np.float32(self.move[0]) / shapes.iris_depth
        y = shapes.gaze_y + np.float32(self.move[1]) / shapes.iris_depth
        towards = np.sqrt(1 - x * x - y * y)
        return dataclasses.replace(shapes, gaze_x=x, gaze_y=y, gaze_z=towards)


def moved_irises(kind: str, count: int, seed: int, move: tuple[float, float]) -> ProceduralEyes:
    """The eyes of one seed with their irises moved; (0, 0) gives the eyes themselves."""
    eyes = MovedIrises(kind, count, seed)
    eyes.move = move
    return eyes


def fourier_shifted(images: np.ndarray, x: float, y: float) -> np.ndarray:
    """Float [N, H, W] moved by (x, y) px to the right and down, mirrored at the edges."""
    border = 20
    padded = np.pad(images, ((0, 0), (border, border), (border, border)), mode="symmetric")
    down, right = (np.fft.fftfreq(size) for size in padded.shape[1:])
    turn = np.exp(-2j * np.pi * (down[:, None] * y + right * x))
    shifted = np.fft.ifft2(np.fft.fft2(padded) * turn).real
    return shifted[:, border:-border, border:-border]
