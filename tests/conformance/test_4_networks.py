"""Bug 4: linear discriminators, relu on logits, other layers than the paper's."""

import pytest
import torch
from torch import nn

from simgan.engine.discriminator import Discriminator
from simgan.engine.refiner import Refiner


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_are_the_papers() -> None:
    assert parameters(Refiner()) == 296_129
    assert parameters(Discriminator()) == 75_906


def field_of(output: torch.Tensor, x: torch.Tensor, y: int, column: int) -> tuple[int, int]:
    """Height and width of the input square that one output location depends on."""
    (gradient,) = torch.autograd.grad(output[0, :, y, column].sum(), x)
    rows = gradient[0].abs().sum((0, 2)).nonzero().flatten()
    columns = gradient[0].abs().sum((0, 1)).nonzero().flatten()
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


def smooth(network: nn.Module) -> nn.Module:
    """Positive weights and averages for maxima: no relu is closed, every path carries gradient."""
    for parameter in network.parameters():
        parameter.data.abs_().add_(0.01)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.MaxPool2d):
            parent = network.get_submodule(name.rpartition(".")[0])
            average = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
            setattr(parent, name.rpartition(".")[2], average)
    return network.double()


def test_receptive_field_of_the_refiner_is_19() -> None:
    refiner = Refiner(width=4, output_activation="none")
    assert refiner.receptive_field == 19
    x = torch.rand(1, 1, 35, 55, dtype=torch.float64, requires_grad=True)
    assert field_of(smooth(refiner)(x), x, 17, 27) == (19, 19)


def test_receptive_field_of_the_discriminator_is_23() -> None:
    discriminator = Discriminator()
    assert discriminator.receptive_field == 23
    x = torch.rand(1, 1, 60, 60, dtype=torch.float64, requires_grad=True)
    assert field_of(smooth(discriminator)(x), x, 7, 7) == (23, 23)


def test_discriminator_maps_a_gaze_image_to_9x14_patches() -> None:
    discriminator = Discriminator()
    assert discriminator(torch.zeros(2, 1, 35, 55)).shape == (2, 2, 9, 14)
    assert discriminator.map_size((35, 55)) == (9, 14)


def test_hand_networks() -> None:
    refiner = Refiner(blocks=10, kernel=7, width=8)
    assert len(refiner.blocks) == 10 and refiner.conv_in.kernel_size == (7, 7)
    discriminator = Discriminator(layout="hand")
    logits = discriminator(torch.zeros(1, 1, 224, 224))
    assert tuple(logits.shape[2:]) == discriminator.map_size((224, 224)) == (7, 7)


def test_global_adversarial_loss_decides_once_per_image_and_sees_all_of_it() -> None:
    discriminator = Discriminator(adversarial="global", image_size=(35, 55)).double()
    x = torch.randn(1, 1, 35, 55, dtype=torch.float64, requires_grad=True)
    logits = discriminator(x)
    assert logits.shape == (1, 2, 1, 1)
    assert parameters(discriminator) == 75_906 - 66 + 32 * 2 * 9 * 14 + 2


def test_discriminator_is_not_linear_and_logits_have_both_signs() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator()
    a, b = torch.randn(2, 64, 1, 35, 55)
    zero = discriminator(torch.zeros(1, 1, 35, 55))
    linear = discriminator(a) + discriminator(b) - zero
    assert (discriminator(a + b) - linear).abs().max() > 1e-3
    assert not any(isinstance(layer, nn.ReLU) for layer in [discriminator.head])
    discriminator.head.bias.data.fill_(0.0)  # type: ignore[union-attr]
    for parameter in discriminator.head.parameters():
        parameter.data -= parameter.data.mean()
    assert (discriminator(a) < 0).any() and (discriminator(a) > 0).any()


def test_refiner_keeps_size_and_range() -> None:
    refiner = Refiner(width=8, blocks=2)
    for size in ((35, 55), (23, 24), (40, 31)):
        refined = refiner(torch.randn(2, 1, *size))
        assert refined.shape == (2, 1, *size)
        assert refined.abs().max() <= 1.0


def test_refiner_has_no_batch_norm_stride_or_pooling() -> None:
    kinds = {type(layer).__name__ for layer in Refiner().modules()}
    assert kinds == {"Refiner", "Conv2d", "ModuleList", "ResidualBlock"}
    for layer in Refiner().modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.stride == (1, 1)


def test_output_equals_the_plain_layers_of_the_paper() -> None:
    torch.manual_seed(3)
    refiner = Refiner(width=6, blocks=2).double()
    x = torch.randn(2, 1, 9, 11, dtype=torch.float64)
    h = refiner.conv_in(x).relu()
    for block in refiner.blocks:
        h = (block.conv2(block.conv1(h).relu()) + h).relu()  # type: ignore[operator]
    torch.testing.assert_close(refiner(x), refiner.conv_out(h).tanh())


@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
def test_local_map_never_vanishes(size: tuple[int, int]) -> None:
    assert min(Discriminator().map_size(size)) >= 1
