"""Heat maps: targets against the formula, positions back from them, and the loss of every stack."""

import math

import pytest
import torch
from torch import Tensor

from simgan.engine.evaluation.hand.heatmaps import SIDE, decoded, map_loss, targets


def places(count: int, low: float, high: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand((count, 14, 2), generator=generator)


def test_a_target_is_a_gaussian_of_one_cell_at_the_joint() -> None:
    joints = places(2, -20, SIDE + 20)
    found = targets(joints, 64)
    assert found.shape == (2, 14, 64, 64)
    for image, joint, row, column in ((0, 3, 10, 50), (1, 13, 40, 7), (1, 0, 63, 0)):
        u, v = ((joints[image, joint] + 0.5) / SIDE * 64 - 0.5).tolist()
        expected = math.exp(-((column - u) ** 2 + (row - v) ** 2) / 2)
        assert found[image, joint, row, column].item() == pytest.approx(expected, abs=1e-6)
    middle = torch.full((1, 1, 2), (SIDE - 1) / 2)
    assert targets(middle, 63)[0, 0, 31, 31] == pytest.approx(1), "the middle cell"


@pytest.mark.parametrize("side", [16, 24, 64])
def test_positions_come_back_from_their_targets(side: int) -> None:
    """Within 0.5 px of 224 everywhere two cells away from the edge; exact but for rounding."""
    margin = 2.5 * SIDE / side
    joints = places(40, margin, SIDE - margin, seed=side)
    error = (decoded(targets(joints, side)) - joints).norm(dim=-1)
    assert error.max() < 0.01


def test_a_peak_at_the_edge_is_not_moved_beyond_it() -> None:
    joints = torch.tensor([[[-0.5, 100.0], [SIDE - 0.5, 3.0], [-30.0, -30.0], [235.0, 112.0]]])
    found = decoded(targets(joints, 16))
    half = SIDE / 16 / 2
    assert (found >= half - 0.51).all() and (found <= SIDE - half - 0.49).all()
    assert found[0, 0, 1] == pytest.approx(100, abs=0.01), "the other axis is still exact"
    assert found[0, 3].tolist() == pytest.approx([SIDE - half - 0.5, 112], abs=8)


def test_noise_around_a_peak_moves_it_by_less_than_half_a_cell() -> None:
    joints = places(20, 30, 190)
    noisy = targets(joints, 64) + 0.05 * torch.randn(
        (20, 14, 64, 64), generator=torch.Generator().manual_seed(1)
    )
    error = (decoded(noisy) - joints).norm(dim=-1)
    assert error.mean() < 0.5 * SIDE / 64


def test_maps_without_a_peak_and_with_nan() -> None:
    flat = decoded(torch.full((1, 14, 8, 8), -1.0))
    assert flat.isfinite().all()
    broken = targets(places(1, 50, 100), 16)
    broken[0, 5, 3, 3] = math.nan
    found = decoded(broken)
    assert found[0, 5].isnan().all()
    assert found[0, [0, 13]].isfinite().all()


def test_the_loss_supervises_every_stack() -> None:
    joints = places(3, 20, 200)
    maps = torch.randn((3, 2, 14, 16, 16), dtype=torch.float64, requires_grad=True)
    loss = map_loss(maps, joints.double())
    wanted = targets(joints.double(), 16)
    by_hand = sum(((maps[:, stack] - wanted) ** 2).mean().item() for stack in (0, 1))
    assert loss.item() == pytest.approx(by_hand, rel=1e-12)
    loss.backward()
    count = 3 * 14 * 16 * 16
    assert maps.grad is not None
    expected = 2 * (maps.detach() - wanted[:, None]) / count
    assert torch.allclose(maps.grad, expected, rtol=1e-12)
