"""The smallest labelled sets and settings that evaluate can be tested with."""

from pathlib import Path
from typing import Any

import numpy as np

from simgan.engine.data.packing import ImageArray
from simgan.engine.evaluation.config import EvaluateConfig, evaluate_config
from simgan.engine.evaluation.gaze import to_vectors
from simgan.engine.evaluation.training import Labelled
from simgan.engine.observer import SilentObserver

SYNTHETIC = "procedural:synthetic?count=60&seed=1"
CAMERA = "procedural:camera?count=40&seed=2"
TINY: dict[str, Any] = {
    "size": "small",
    "steps": 4,
    "batch": 8,
    "validate_every": 2,
    "seeds": 2,
    "resamples": 100,
    "device": "cpu",
}


def tiny_config(**changes: Any) -> EvaluateConfig:
    """Seconds of work on procedural eyes."""
    return evaluate_config({**TINY, "train": [SYNTHETIC], "test": CAMERA, **changes})


def eye_images(count: int, seed: int = 0) -> np.ndarray:
    """uint8 [count, 35, 55, 1] of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, 35, 55, 1), np.uint8)


def image_array(images: np.ndarray) -> ImageArray:
    names = [f"{index:06d}" for index in range(len(images))]
    return ImageArray(images, names, {}, (0.0, 255.0), "print", "npz", "here")


def angles(count: int, seed: int = 0) -> np.ndarray:
    """(pitch, yaw) [count, 2] in radians."""
    return np.random.default_rng(seed).uniform(-0.4, 0.4, (count, 2))


def labelled(count: int, seed: int = 0) -> Labelled:
    """Noise with random gaze."""
    images = image_array(eye_images(count, seed))
    return Labelled(images, to_vectors(angles(count, seed)), np.arange(count))


def save(path: Path, count: int = 40, seed: int = 0, **arrays: Any) -> str:
    """An .npz of noise with random gaze."""
    held = {"images": eye_images(count, seed), "gaze": angles(count, seed), **arrays}
    np.savez(path, **{name: array for name, array in held.items() if array is not None})
    return str(path)


class Ears(SilentObserver):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.warnings: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)
