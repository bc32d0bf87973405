"""Augmentation of hands: what moves in the image moves in the joints, and by how much."""

import math

import pytest
import torch
from torch import Tensor

from simgan.engine.evaluation.hand.heatmaps import SIDE
from simgan.engine.evaluation.hand.warp import Warp, resized, warped

CPU = torch.device("cpu")


def dots(joints: Tensor, side: int) -> Tensor:
    """Images [N, 1, side, side] of -1 with a soft dot at the one joint [N, 1, 2] of each."""
    cells = (torch.arange(side) + 0.5) * (SIDE / side) - 0.5
    across, down = (torch.exp(-((cells - joints[:, 0, a, None]) ** 2) / 72) for a in (0, 1))
    return 2 * (down[:, :, None] * across[:, None, :])[:, None] - 1


def centroid(x: Tensor) -> Tensor:
    """[N, 2] px of 224x224 of what is above -1."""
    side = x.shape[-1]
    weight = (x[:, 0] + 1).clamp_min(0)
    cells = (torch.arange(side) + 0.5) * (SIDE / side) - 0.5
    total = weight.sum(dim=(1, 2))
    return torch.stack(
        ((weight.sum(1) * cells).sum(1) / total, (weight.sum(2) * cells).sum(1) / total), 1
    )


@pytest.mark.parametrize(("stored", "side"), [(224, 256), (96, 64), (64, 64)])
def test_images_and_joints_move_alike(stored: int, side: int) -> None:
    joints = 70 + 84 * torch.rand((50, 1, 2), generator=torch.Generator().manual_seed(0))
    warp = Warp(40, 0.2, side, 3, CPU)
    x, moved = warp(dots(joints, stored), joints)
    assert x.shape == (50, 1, side, side)
    assert (centroid(x) - moved[:, 0]).norm(dim=1).max() < 0.7
    assert (moved - joints).norm(dim=-1).mean() > 10


def test_a_turn_is_counter_clockwise_about_the_middle() -> None:
    right = torch.tensor([[[181.5, 111.5]]])
    none = torch.zeros(1)
    quarter = torch.full((1,), math.pi / 2)
    _, moved = warped(dots(right, 64), right, quarter, none + 1, torch.zeros(1, 2), 64)
    assert moved[0, 0].tolist() == pytest.approx([111.5, 41.5], abs=1e-4), "right goes up"


def test_a_crop_enlarges_about_its_own_middle() -> None:
    joints = torch.tensor([[[111.5, 111.5], [139.5, 111.5]]])
    shift = torch.tensor([[0.25, 0.0]])
    x = dots(joints[:, :1], 64)
    _, moved = warped(x, joints, torch.zeros(1), torch.full((1,), 0.5), shift, 64)
    # The middle of the crop is 28 px to the right, and px are twice as large.
    assert moved[0].flatten().tolist() == pytest.approx([55.5, 111.5, 111.5, 111.5])


def test_crops_lie_within_the_image_and_angles_within_the_bound() -> None:
    corners = torch.tensor([[-0.5, -0.5], [SIDE - 0.5, -0.5], [-0.5, SIDE - 0.5]])
    joints = corners.repeat(4000, 1, 1)
    x = torch.zeros((4000, 1, 8, 8))
    _, cut = Warp(0, 0.3, 8, 0, CPU)(x, joints)
    assert (cut[:, 0] <= -0.5 + 1e-3).all() and (cut[:, 1, 0] >= SIDE - 0.5 - 1e-3).all()
    width = (cut[:, 1] - cut[:, 0]).norm(dim=-1) / SIDE
    assert width.min() >= 1 - 1e-5 and 1.4 < width.max() <= 1 / 0.7 + 1e-4
    _, turned = Warp(20, 0, 8, 0, CPU)(x, joints)
    edge = turned[:, 1] - turned[:, 0]
    angle = torch.rad2deg(torch.atan2(-edge[:, 1], edge[:, 0]))
    assert -20 - 1e-3 <= angle.min() < -19 and 19 < angle.max() <= 20 + 1e-3
    assert angle.std() == pytest.approx(40 / math.sqrt(12), rel=0.05), "uniform"


def test_without_turn_and_crop_it_is_what_prediction_sees() -> None:
    x = torch.rand((3, 1, 40, 40), generator=torch.Generator().manual_seed(2)) * 2 - 1
    joints = torch.full((3, 14, 2), 50.0)
    for side in (40, 64, 24):
        same, kept = Warp(0, 0, side, 0, CPU)(x, joints)
        assert torch.allclose(same, resized(x, side), atol=1e-5)
        assert torch.allclose(kept, joints, atol=1e-4)


def test_the_draws_are_those_of_the_seed() -> None:
    x, joints = torch.rand((6, 1, 32, 32)), torch.rand((6, 14, 2)) * SIDE
    first, second, other = (Warp(20, 0.1, 32, seed, CPU) for seed in (1, 1, 2))
    a, b = first(x, joints), second(x, joints)
    assert a[0].equal(b[0]) and a[1].equal(b[1])
    assert not first(x, joints)[1].equal(a[1]), "another batch"
    assert not other(x, joints)[1].equal(a[1])
