"""Rotations and crops of training images, with their joints; batched, on the images' device."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from simgan.engine.evaluation.hand.heatmaps import SIDE


class Warp:
    """Turns and crops batches; the n-th batch of one seed, size and device always alike.

    Args:
        degrees: greatest angle, each way.
        crop: greatest share of the side that is cut off.
        side: of the images that come out, px.
        seed: of the draws.
        device: of the images.
    """

    def __init__(
        self, degrees: float, crop: float, side: int, seed: int, device: torch.device
    ) -> None:
        self._angle = math.radians(degrees)
        self._crop = crop
        self._side = side
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, x: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, 1, H, H] -> [N, 1, side, side], and joints [N, J, 2] moved with them.

        The crop lies within the image, anywhere; then it is turned about its middle.
        """
        drawn = torch.rand((4, len(x)), generator=self._generator, device=x.device)
        scale = 1 - self._crop * drawn[0]
        shift = (2 * drawn[1:3].T - 1) * (1 - scale)[:, None]
        return warped(x, joints, self._angle * (2 * drawn[3] - 1), scale, shift, self._side)


def warped(
    x: Tensor, joints: Tensor, angle: Tensor, scale: Tensor, shift: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """Sample a turned square out of each image, once, bilinearly; its edges are repeated.

    Args:
        x: [N, 1, H, H].
        joints: [N, J, 2], px of 224x224.
        angle: [N], radians that the content turns counter-clockwise as one sees it.
        scale: [N], side of the square, relative to the image's.
        shift: [N, 2], of its middle from the image's, in half sides of the image, right and down.
        side: px of the result.
    """
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    # What is at p in the result comes from turn p + shift; both run from -1 to 1.
    turn = torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)
    theta = torch.cat((turn, shift[:, :, None]), dim=2)
    grid = F.affine_grid(theta, [len(x), 1, side, side], align_corners=False)
    sampled = F.grid_sample(
        x, grid.to(x.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )
    place = (2 * joints + 1) / SIDE - 1 - shift[:, None]
    back = turn.transpose(1, 2) / (scale * scale)[:, None, None]  # the inverse of turn
    moved = torch.einsum("nij,nkj->nki", back, place)
    return sampled, (moved + 1) * (SIDE / 2) - 0.5


def resized(x: Tensor, side: int) -> Tensor:
    """Images [N, 1, H, H] -> [N, 1, side, side], sampled where `warped` would without a turn."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
