"""The smallest images, settings and runs that still have every part of real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simgan.engine.config import TrainConfig, train_config
from simgan.engine.session import Session

SIZE = (24, 28)

TINY: dict[str, Any] = {
    "steps": 6,
    "batch": 4,
    "width": 4,
    "blocks": 1,
    "history_capacity": 6,
    "pretrain_refiner_steps": 3,
    "pretrain_discriminator_steps": 2,
    "log_every": 2,
    "sample_every": 4,
    "checkpoint_every": 2,
    "device": "cpu",
    "tensorboard": False,
    "deterministic": True,
}


def tiny_images(count: int, seed: int, channels: int = 1) -> np.ndarray:
    """uint8 [count, 24, 28, channels], smooth enough to learn something from."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 6, 7, channels))
    return np.repeat(np.repeat(coarse, 4, 1), 4, 2).astype(np.uint8)


def tiny_data(folder: Path) -> dict[str, str]:
    """Two .npz sets, the synthetic one with gaze labels; paths for `synthetic` and `real`."""
    folder.mkdir(parents=True, exist_ok=True)
    gaze = np.random.default_rng(3).normal(size=(11, 2)).astype(np.float32)
    np.savez(folder / "synthetic.npz", images=tiny_images(11, 1), gaze=gaze)
    np.savez(folder / "real.npz", images=tiny_images(9, 2))
    return {
        "synthetic": str(folder / "synthetic.npz"),
        "real": str(folder / "real.npz"),
    }


def tiny_config(folder: Path, **changes: Any) -> TrainConfig:
    """A run of a second or two, on data it writes below `folder`."""
    values = {**TINY, **tiny_data(folder / "data"), "out": str(folder / "run"), **changes}
    return train_config(values)


def poison_a_weight(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make a weight of the discriminator not a number behind a training step, at the first try."""
    real = Session._housekeeping

    def poisoned(self: Session, total: int) -> None:
        place = self.training.place
        if (place.phase, place.step, place.attempt) == (2, step, 0):
            with torch.no_grad():
                next(self.training.players.discriminator.parameters()).view(-1)[0] = float("nan")
        real(self, total)

    monkeypatch.setattr(Session, "_housekeeping", poisoned)
