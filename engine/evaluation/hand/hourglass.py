"""The paper's hand-pose estimator: two stacked hourglasses that end in heat maps.

Newell et al., "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016, whose layers and
sizes these are: pre-activation bottlenecks of 256 features, hourglasses of four halvings, a stem
that ends at a quarter of the input, maps fed back into the second stack.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simgan.engine.data.hand_joints import JOINTS

STACKS = 2


class Layers(NamedTuple):
    """Side of the input in px (the maps have a quarter), features, and halvings of an hourglass."""

    side: int
    features: int
    depth: int


SIZES = {
    # The paper: maps of 64x64, so 224x224 images are enlarged to 256x256.
    "paper": Layers(256, 256, 4),
    "small": Layers(64, 32, 3),
}


class Bottleneck(nn.Module):
    """Batch norm, relu, convolution: 1x1, 3x3, 1x1; half the features inside; plus the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (inputs, half, half))
        self.reduce = nn.Conv2d(inputs, half, 1)
        self.conv = nn.Conv2d(half, half, 3, padding=1)
        self.expand = nn.Conv2d(half, outputs, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H, W]."""
        y = x
        for norm, conv in zip(self.norms, (self.reduce, self.conv, self.expand), strict=True):
            y = conv(F.relu(norm(y)))
        z: Tensor = y + self.skip(x)
        return z


class Hourglass(nn.Module):
    """A bottleneck at every size down to H / 2^depth and back up, with one beside at every size."""

    def __init__(self, depth: int, features: int) -> None:
        super().__init__()
        self.beside = Bottleneck(features, features)
        self.down = Bottleneck(features, features)
        self.inner = Hourglass(depth - 1, features) if depth > 1 else Bottleneck(features, features)
        self.up = Bottleneck(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """[N, features, H, W] -> the same shape; H and W divisible by 2^depth."""
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        y: Tensor = self.beside(x) + F.interpolate(low, scale_factor=2.0, mode="nearest")
        return y


class Stack(nn.Module):
    """An hourglass, what its maps are read from, and the way back into the features."""

    def __init__(self, depth: int, features: int, joints: int, last: bool) -> None:
        super().__init__()
        self.hourglass = Hourglass(depth, features)
        self.residual = Bottleneck(features, features)
        self.linear = nn.Sequential(
            nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU()
        )
        self.maps = nn.Conv2d(features, joints, 1)
        self.back = None if last else nn.Conv2d(features, features, 1)
        self.maps_back = None if last else nn.Conv2d(joints, features, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, F, h, w] -> features for the next stack, heat maps [N, J, h, w]."""
        features = self.linear(self.residual(self.hourglass(x)))
        maps = self.maps(features)
        if self.back is not None and self.maps_back is not None:
            x = x + self.back(features) + self.maps_back(maps)
        return x, maps


class HandEstimator(nn.Module):
    """Stem, then two hourglasses, each with its heat maps; 6,562,588 parameters for 14 joints.

    Stem: conv 7x7 s2 to F/4, batch norm, relu, bottleneck to F/2, max-pool 2x2, bottleneck F/2,
    bottleneck F.

    Args:
        size: "paper", or "small": smaller images and fewer features, for CPU work.
    """

    def __init__(self, size: str = "paper") -> None:
        super().__init__()
        _, features, depth = SIZES[size]
        quarter, half = features // 4, features // 2
        self.first = nn.Sequential(
            nn.Conv2d(1, quarter, 7, stride=2, padding=3),
            nn.BatchNorm2d(quarter),
            nn.ReLU(),
            Bottleneck(quarter, half),
            nn.MaxPool2d(2),
            Bottleneck(half, half),
            Bottleneck(half, features),
        )
        self.stacks = nn.ModuleList(
            Stack(depth, features, len(JOINTS), last=index == STACKS - 1) for index in range(STACKS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Heat maps [N, 2, 14, side / 4, side / 4] of both stacks, for [N, 1, side, side]."""
        x, found = self.first(x), []
        for stack in self.stacks:
            x, maps = stack(x)
            found.append(maps)
        return torch.stack(found, dim=1)
