"""The paper's gaze estimator: a gray eye in, a gaze vector out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEIGHT, WIDTH = 35, 55
FLATTENED = 5 * 10  # positions left of 35x55 after five convolutions and two poolings
LEAST_DEVIATION = 1.0 / 255.0  # of pixels in [-1, 1]; an empty image must not become noise


class Layers(NamedTuple):
    """Features of the five convolutions and of the hidden layer."""

    conv: tuple[int, int, int, int, int]
    hidden: int


SIZES = {
    "paper": Layers((32, 32, 64, 80, 192), 1000),
    "small": Layers((8, 8, 16, 24, 48), 128),
}


class GazeEstimator(nn.Module):
    """conv 3x3 32, 32, 64, max-pool 3x3 s2, conv 3x3 80, 192, max-pool 2x2 s2, FC 9600, 1000, 3.

    Convolutions have no padding, so that 35x55 becomes 192 x 5 x 10 = 9600, which is how we read
    "FC 9600" in the paper's list. A relu follows every layer but the last (the paper names none).

    Args:
        size: "paper", or "small": the same layers with fewer features, for CPU work.
    """

    def __init__(self, size: str = "paper") -> None:
        super().__init__()
        layers = SIZES[size]
        inputs = (1, *layers.conv[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3) for before, after in zip(inputs, layers.conv, strict=True)
        )
        self.hidden = nn.Linear(layers.conv[-1] * FLATTENED, layers.hidden)
        self.gaze = nn.Linear(layers.hidden, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Gaze vectors [N, 3] of any length, for images [N, 1, 35, 55]."""
        y: Tensor = self.gaze(self.features(x))
        return y

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer [N, hidden], for images [N, 1, 35, 55]."""
        # The greatest of relus is the relu of the greatest, and has fewer pixels.
        for conv in self.convs[:2]:
            x = F.relu(conv(x))
        x = F.relu(F.max_pool2d(self.convs[2](x), 3, 2))
        x = F.relu(self.convs[3](x))
        x = F.relu(F.max_pool2d(self.convs[4](x), 2, 2))
        return F.relu(self.hidden(x.flatten(1)))


class NormalizedEstimator(nn.Module):
    """Three times conv 3x3, batch normalization, relu, max-pool 2x2 (16, 32, 64); FC 128, 3.

    Not the paper's. Normalized by what it was trained on, it depends less on tones than the paper's
    layers do, so it is the harder rival of a refined set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in ((1, 16), (16, 32), (32, 64))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(features) for features in (16, 32, 64))
        self.hidden = nn.Linear(64 * 4 * 6, 128)  # 35x55 halved three times
        self.gaze = nn.Linear(128, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Gaze vectors [N, 3] of any length, for images [N, 1, 35, 55]."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(F.max_pool2d(norm(conv(x)), 2))  # as relu before pooling, and faster
        y: Tensor = self.gaze(F.relu(self.hidden(x.flatten(1))))
        return y


def gaze_network(size: str) -> nn.Module:
    """A fresh estimator: "paper", "small" or "normalized"."""
    return NormalizedEstimator() if size == "normalized" else GazeEstimator(size)


def euclidean_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Half the squared distance of vectors [N, 3], mean over images (Caffe's Euclidean loss)."""
    return 0.5 * (predicted - true).square().sum(dim=1).mean()


def standardized(x: Tensor, rule: str) -> Tensor:
    """Images [N, C, H, W] as the estimator sees them.

    Args:
        x: float in [-1, 1].
        rule: "image": every image to mean 0 and deviation 1 (below 1/255 a deviation counts as
            1/255); "equalize": the gray values of every image spread evenly, by rank, over
            [-sqrt(3), sqrt(3)], which have that mean and deviation; "none": as they are.
    """
    if rule == "none":
        return x
    if rule == "equalize":
        return equalized(x)
    deviation, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True, correction=0)
    return (x - mean) / deviation.clamp_min(LEAST_DEVIATION)


def equalized(x: Tensor) -> Tensor:
    """Histogram equalization [N, C, H, W]: each value becomes its rank among its image's.

    Equal values share the mean of their ranks, so an even image becomes 0.
    """
    flat = x.flatten(1)
    order = flat.sort(dim=1).values.contiguous()
    below = torch.searchsorted(order, flat.contiguous())
    upto = torch.searchsorted(order, flat.contiguous(), right=True)
    share = (below + upto).to(x.dtype) / (2 * flat.shape[1])
    return ((2 * share - 1) * 3**0.5).view_as(x)
