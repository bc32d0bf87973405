"""The stacked hourglass: sizes, parameters, and that every stack and layer learns."""

import pytest
import torch
from torch import nn

from simgan.engine.evaluation.hand.heatmaps import map_loss
from simgan.engine.evaluation.hand.hourglass import SIZES, HandEstimator, Hourglass


def bottleneck(inputs: int, outputs: int) -> int:
    """Parameters of a bottleneck: three batch norms, three convolutions, a 1x1 skip if needed."""
    half = outputs // 2
    norms = 2 * (inputs + 2 * half)
    convs = (inputs + 1) * half + (9 * half + 1) * half + (half + 1) * outputs
    return norms + convs + ((inputs + 1) * outputs if inputs != outputs else 0)


def parameters(features: int, depth: int, joints: int = 14) -> int:
    """Of Newell et al.'s network with two stacks, counted layer by layer."""
    stem = (49 + 1) * (features // 4) + 2 * (features // 4)
    stem += bottleneck(features // 4, features // 2) + bottleneck(features // 2, features // 2)
    stem += bottleneck(features // 2, features)
    hourglass = (3 * depth + 1) * bottleneck(features, features)
    head = bottleneck(features, features) + (features + 1) * features + 2 * features
    head += (features + 1) * joints
    back = (features + 1) * features + (joints + 1) * features
    return stem + 2 * (hourglass + head) + back


@pytest.mark.parametrize(("size", "count"), [("paper", 6_562_588), ("small", 88_252)])
def test_parameters_are_those_of_the_published_network(size: str, count: int) -> None:
    found = sum(p.numel() for p in HandEstimator(size).parameters())
    assert found == parameters(SIZES[size].features, SIZES[size].depth) == count


def test_the_papers_maps_are_64x64() -> None:
    side = SIZES["paper"].side
    with torch.inference_mode():
        maps = HandEstimator("paper").eval()(torch.zeros(1, 1, side, side))
    assert maps.shape == (1, 2, 14, 64, 64)


def test_small_maps_are_a_quarter_of_the_input() -> None:
    side = SIZES["small"].side
    assert HandEstimator("small")(torch.zeros(2, 1, side, side)).shape == (
        2, 2, 14, side // 4, side // 4
    )  # fmt: skip


def test_an_hourglass_joins_every_size() -> None:
    """With bottlenecks that pass their input on, it sums pooled copies of it."""
    hourglass = Hourglass(2, 4).eval()
    for module in hourglass.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    x = torch.rand((1, 4, 8, 8))
    half = nn.functional.max_pool2d(x, 2)
    quarter = nn.functional.max_pool2d(x, 4)
    expected = x + half.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = expected + quarter.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.allclose(hourglass(x), expected, atol=1e-6)


def test_gradients_reach_every_parameter_through_both_stacks() -> None:
    torch.manual_seed(0)
    network = HandEstimator("small")
    x, joints = torch.randn(4, 1, 64, 64), torch.rand(4, 14, 2) * 224
    map_loss(network(x), joints).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_the_first_stack_is_supervised_by_itself() -> None:
    """Without the second stack's loss the first still learns, and the second does not."""
    torch.manual_seed(0)
    network = HandEstimator("small")
    maps = network(torch.randn(2, 1, 64, 64))
    map_loss(maps[:, :1], torch.rand(2, 14, 2) * 224).backward()
    first, second = network.stacks
    assert not any(p.grad is not None and p.grad.any() for p in second.parameters())
    assert all(p.grad is not None and p.grad.any() for p in first.hourglass.parameters())
    assert network.first[0].weight.grad.any()
