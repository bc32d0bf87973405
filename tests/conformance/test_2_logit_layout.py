"""Bug 2: logits [N, 2, h, w] seen as view(-1, 2), which pairs neighbouring pixels of one class."""

import math

import torch

from simgan.engine.step import accuracy
from simgan.kernels import REAL, REFINED, patch_cross_entropy


def by_hand(logits: torch.Tensor, target: int) -> float:
    """Sum over patches, mean over images, written as loops over an [N, 2, h, w] map."""
    total = 0.0
    count, _, height, width = logits.shape
    for n in range(count):
        for y in range(height):
            for x in range(width):
                pair = [float(logits[n, c, y, x]) for c in range(2)]
                total += math.log(sum(math.exp(z) for z in pair)) - pair[target]
    return total / count


def test_loss_of_an_asymmetric_map_equals_loops() -> None:
    logits = torch.randn(
        3, 2, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for target in (REAL, REFINED):
        expected = by_hand(logits, target)
        assert math.isclose(float(patch_cross_entropy(logits, target)), expected, rel_tol=1e-12)
        wrong = torch.nn.functional.cross_entropy(
            logits.reshape(-1, 2), torch.full((3 * 28,), target), reduction="sum"
        )
        assert abs(float(wrong) / 3 - expected) > 0.1, "this map would not tell the bug apart"


def test_class_axis_is_dim_1_in_the_accuracy_too() -> None:
    logits = torch.zeros(1, 2, 2, 3)
    logits[0, REFINED, 0, :] = 1.0  # the upper row of patches is called refined
    logits[0, REAL, 1, :] = 1.0
    assert float(accuracy(logits, REFINED)) == 0.5
    logits[0, REFINED, 1, 0] = 2.0
    assert float(accuracy(logits, REFINED)) == torch.tensor(4 / 6)
    assert float(accuracy(logits, REAL)) == torch.tensor(2 / 6)
