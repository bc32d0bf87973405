"""Who is compared: plain PyTorch in several forms and our step, on the same weights and images."""

import dataclasses
import os
import shutil
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from simgan.engine.benchmark.baseline import PlainTraining
from simgan.engine.benchmark.plan import CHANNELS, Plan
from simgan.engine.benchmark.roofline import Ceilings
from simgan.engine.capture import Capture
from simgan.engine.data.packing import ImageArray
from simgan.engine.observer import SilentObserver
from simgan.engine.precision import Precision, pick_device
from simgan.engine.run_state import Training
from simgan.engine.setup import Arrays, build_training
from simgan.engine.step import discriminator_step, refiner_step
from simgan.engine.stepper import obstacle

Weights = Mapping[str, Mapping[str, Tensor]]


class Contestant(Protocol):
    """One implementation of refining and of the two updates."""

    refiner: nn.Module
    discriminator: nn.Module

    def refine(self, x: Tensor) -> Tensor:
        """R(x) without gradients, [N, C, H, W]."""

    def refiner_update(self, synthetic: Tensor) -> None:
        """One refiner update (Eq. 4)."""

    def discriminator_update(self, synthetic: Tensor, real: Tensor) -> None:
        """One discriminator update (Eq. 2) with b/2 synthetic and b real images."""

    def fill_history(self, images: Tensor) -> None:
        """Put images [B, C, H, W] into the history."""


class Ours:
    """The engine's own networks and steps, built as `train` builds them.

    On a GPU each update is replayed from a CUDA graph of its own; `train` has one of a whole step.
    """

    def __init__(self, training: Training) -> None:
        self.players = training.players
        self.refiner: nn.Module = self.players.refiner
        self.discriminator: nn.Module = self.players.discriminator
        self._captures: dict[str, Capture] = {}
        if obstacle(training) is None:
            device = self.players.precision.device
            self._captures = {kind: Capture(device) for kind in ("refiner", "discriminator")}

    def refine(self, x: Tensor) -> Tensor:
        """R(x) without gradients."""
        with torch.no_grad(), self.players.precision.autocast():
            return self.players.run_refiner(x)

    def refiner_update(self, synthetic: Tensor) -> None:
        """One refiner update (Eq. 4)."""
        self._update("refiner", lambda: refiner_step(self.players, synthetic), synthetic)

    def discriminator_update(self, synthetic: Tensor, real: Tensor) -> None:
        """One discriminator update (Eq. 2)."""
        self._update(
            "discriminator",
            lambda: discriminator_step(self.players, synthetic, real),
            synthetic,
            real,
        )

    def _update(self, kind: str, update: Callable[[], object], *images: Tensor) -> None:
        """One update; a graph is good for images of the same shape at the same address."""
        if kind in self._captures:
            key = tuple((each.data_ptr(), each.shape) for each in images)
            self._captures[kind](update, key)
        else:
            update()

    def fill_history(self, images: Tensor) -> None:
        """Put images [B, C, H, W] into the history."""
        history = self.players.history
        assert history is not None
        history.load_state_dict({**history.state_dict(), "images": images})


@dataclasses.dataclass(frozen=True)
class Scene:
    """What all contestants share: where they run, their weights and their images.

    Attributes:
        synthetic, real: float32 [b, C, H, W] in [-1, 1] on the device.
        history: [B, C, H, W].
        weights: "refiner" and "discriminator" to their state dicts.
        ceilings: of this machine in this run; None leaves the shares of them out.
    """

    plan: Plan
    device: torch.device
    precision: Precision
    synthetic: Tensor
    real: Tensor
    history: Tensor
    weights: Weights
    ceilings: Ceilings | None = None

    @property
    def dtype(self) -> torch.dtype:
        """What the networks compute in."""
        return self.precision.amp_dtype or torch.float32

    def ours(self) -> Ours:
        """Our contestant."""
        return Ours(_build_training(self.plan))

    def plain(
        self, *, channels_last: bool = False, dtype: torch.dtype = torch.float32
    ) -> PlainTraining:
        """Plain PyTorch; float64 is the truth and knows no autocast."""
        amp = self.precision.amp_dtype if dtype == torch.float32 else None
        plain = PlainTraining(self.plan.config, CHANNELS, self.device, dtype, amp)
        if channels_last:
            for network in (plain.refiner, plain.discriminator):
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            plain.prepare()
        return plain

    def load(self, contestant: Contestant) -> None:
        """Give a contestant the shared weights and history."""
        contestant.refiner.load_state_dict(dict(self.weights["refiner"]))
        contestant.discriminator.load_state_dict(dict(self.weights["discriminator"]))
        contestant.fill_history(self.history)


def build_scene(plan: Plan, seed: int = 0) -> Scene:
    """Seeded weights and images on the device of the plan."""
    config = plan.config
    device = pick_device(config.device)
    precision = Precision.choose(device, amp=config.amp, channels_last=config.channels_last)
    players = _build_training(plan).players
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int) -> Tensor:
        images = torch.rand((count, CHANNELS, *plan.size), generator=generator)
        return (images * 2 - 1).to(device)

    weights = {
        name: {key: value.clone() for key, value in network.state_dict().items()}
        for name, network in (
            ("refiner", players.refiner),
            ("discriminator", players.discriminator),
        )
    }
    batch = config.batch
    return Scene(
        plan, device, precision, draw(batch), draw(batch), draw(config.history_capacity), weights
    )


def with_format(x: Tensor, channels_last: bool) -> Tensor:
    """Images in the memory format that a contestant trains in."""
    return x.contiguous(
        memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )


def _build_training(plan: Plan) -> Training:
    """Networks, optimizers and history as `train` builds them; one image stands for the data."""
    array = ImageArray(
        images=np.zeros((1, *plan.size, CHANNELS), np.uint8),
        names=["blank"],
        labels={},
        value_range=(0.0, 255.0),
        fingerprint="",
        format="benchmark",
        location="benchmark",
        problems=[],
        clipped=0,
    )
    return build_training(plan.config, Arrays(array, array), SilentObserver())


def compile_problem(plan: Plan, case: str) -> str | None:
    """Why torch.compile does not take part in a case; None if it does."""
    if case not in plan.compile:
        hint = "it compiles for longer than --quick may take; --compile adds it"
        return hint if plan.quick else "by --no-compile"
    compilers = (os.environ.get("CXX", ""), "g++", "clang++", "c++")
    if not any(name and shutil.which(name) for name in compilers):
        return "it needs a C++ compiler, none was found"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "it needs Python.h, which this Python lacks"
    return None
