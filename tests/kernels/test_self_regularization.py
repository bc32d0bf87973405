"""The L1 term: a sum over pixels, a mean over images, no gradient where nothing changed."""

import pytest
import torch
from op_cases import DEVICE, runs_on

from simgan.kernels import self_regularization

EACH = pytest.mark.parametrize("backend", runs_on("self_regularization"))


def test_reference_equals_the_definition_written_by_hand() -> None:
    refined = torch.linspace(-1, 2, 24, dtype=torch.float64).reshape(2, 1, 3, 4)
    synthetic = torch.linspace(1, -3, 24, dtype=torch.float64).reshape(2, 1, 3, 4)
    total = 0.0
    for one, other in zip(refined.flatten().tolist(), synthetic.flatten().tolist(), strict=True):
        total += abs(one - other)
    loss = self_regularization(refined, synthetic, backend="reference")
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(total / 2, rel=1e-14)


@EACH
def test_the_gradient_is_the_sign_over_the_number_of_images_and_0_where_both_are_equal(
    backend: str,
) -> None:
    refined = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.0, -7.0]], device=DEVICE, requires_grad=True)
    synthetic = torch.tensor([[1.0, 1.0, 4.0], [0.5, -0.0, 8.0]], device=DEVICE, requires_grad=True)
    (3 * self_regularization(refined, synthetic, backend=backend)).backward()
    assert refined.grad is not None
    assert synthetic.grad is not None
    assert refined.grad.tolist() == [[0.0, 1.5, -1.5], [0.0, 0.0, -1.5]]
    assert torch.equal(synthetic.grad, -refined.grad)


@EACH
def test_only_the_input_that_asks_gets_a_gradient(backend: str) -> None:
    refined = torch.rand(2, 1, 3, 3, device=DEVICE, requires_grad=True)
    synthetic = torch.rand(2, 1, 3, 3, device=DEVICE)
    self_regularization(refined, synthetic, backend=backend).backward()
    assert refined.grad is not None
    assert synthetic.grad is None


@pytest.mark.parametrize("shape", [(2,), (2, 5), (2, 1, 3, 5), (2, 4, 3, 2, 2)])
@EACH
def test_any_image_shape_is_taken(shape: tuple[int, ...], backend: str) -> None:
    refined, synthetic = torch.rand(shape, device=DEVICE), torch.rand(shape, device=DEVICE)
    loss = self_regularization(refined, synthetic, backend=backend)
    assert loss.item() == pytest.approx((refined - synthetic).abs().sum().item() / 2, rel=1e-5)


@EACH
def test_inputs_of_different_layout_are_compared_pixel_by_pixel(backend: str) -> None:
    refined = torch.rand(2, 3, 4, 5, device=DEVICE).requires_grad_()
    synthetic = torch.rand(2, 3, 4, 5, device=DEVICE)
    last = synthetic.contiguous(memory_format=torch.channels_last)
    loss = self_regularization(refined, last, backend=backend)
    assert loss.item() == pytest.approx((refined - synthetic).abs().sum().item() / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, refined)
    assert torch.equal(gradient, torch.sign(refined - synthetic).detach() / 2)


def test_a_wide_image_is_not_rounded_to_the_short_one() -> None:
    refined = torch.ones(1, 1, 1, 1, device=DEVICE, dtype=torch.bfloat16)
    synthetic = torch.full((1, 1, 1, 1), 1.001, device=DEVICE)
    assert self_regularization(refined, synthetic).item() == pytest.approx(0.001, rel=1e-3)


def test_autocast_does_not_shorten_the_loss() -> None:
    refined, synthetic = (
        torch.rand(2, 1, 5, 5, device=DEVICE),
        torch.rand(2, 1, 5, 5, device=DEVICE),
    )
    expected = self_regularization(refined, synthetic)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        loss = self_regularization(refined, synthetic)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


@pytest.mark.parametrize(
    ("refined", "synthetic", "message"),
    [
        (None, torch.zeros(1), "refined must be a torch.Tensor, got NoneType"),
        (
            torch.zeros(2, 1, 3, 3),
            torch.zeros(2, 3, 3),
            "synthetic must have the shape of refined, (2, 1, 3, 3), got (2, 3, 3)",
        ),
        (torch.zeros(()), torch.zeros(()), "refined must be [N, ...] with N >= 1, got ()"),
        (torch.zeros(0, 3), torch.zeros(0, 3), "refined must be [N, ...] with N >= 1, got (0, 3)"),
        (
            torch.zeros(2),
            torch.zeros(2, dtype=torch.uint8),
            "synthetic must have one of the dtypes torch.float32, torch.bfloat16, torch.float16, "
            "torch.float64, got torch.uint8",
        ),
        (
            torch.zeros(2),
            torch.zeros(2, device="meta"),
            "synthetic must be on the device of refined, cpu, got meta",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(
    refined: torch.Tensor, synthetic: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        self_regularization(refined, synthetic)
    assert str(caught.value) == message
