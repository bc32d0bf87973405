"""Small samples of procedural eyes, and ways to make them worse."""

from functools import cache
from typing import Any

import numpy as np
import torch

from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.evaluation.realism.images import Images, sample

Stored = np.ndarray[Any, np.dtype[np.uint8]]


@cache
def eyes(kind: str, count: int, seed: int) -> Images:
    """Procedural eyes, "synthetic" or "camera"."""
    array = pack(open_source(f"procedural:{kind}?count={count}&seed={seed}"))
    return sample(array, torch.arange(count), torch.device("cpu"))


def images_of(stored: Stored, prefix: str = "") -> Images:
    """uint8 [N, H, W, C] as a sample."""
    names = [f"{prefix}{index}" for index in range(len(stored))]
    return Images(torch.from_numpy(stored), (0.0, 255.0), names)


def worse(images: Images, how: str, level: float) -> Images:
    """Blurred by `level` passes of a 3x3 mean, with noise of `level` gray levels, or pale."""
    x = images.stored.numpy().astype(np.float64)
    if how == "blur":
        for _ in range(round(level)):
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
            rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
            x = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9
    elif how == "noise":
        x = x + np.random.default_rng(5).normal(0, level, x.shape)
    else:
        x = 128 + (x - 128) * (1 - level)
    return images_of(np.clip(np.rint(x), 0, 255).astype(np.uint8), "w")
