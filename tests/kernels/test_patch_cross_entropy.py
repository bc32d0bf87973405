"""The patch loss: two classes in dim 1, a sum over patches, a mean over images."""

import math

import pytest
import torch
from op_cases import DEVICE, runs_on

from simgan.kernels import REAL, REFINED, patch_cross_entropy

BACKENDS = runs_on("patch_cross_entropy")
EACH = pytest.mark.parametrize("backend", BACKENDS)


def by_hand(logits: torch.Tensor, target: int) -> float:
    """The definition, one patch at a time, in Python's float64."""
    images, _, rows, columns = logits.shape
    total = 0.0
    for n in range(images):
        for y in range(rows):
            for x in range(columns):
                real, refined = logits[n, REAL, y, x].item(), logits[n, REFINED, y, x].item()
                chosen = refined if target == REFINED else real
                total += math.log(math.exp(real) + math.exp(refined)) - chosen
    return total / images


def asymmetric_map() -> torch.Tensor:
    """[2, 2, 2, 3]: no two logits are alike, so an exchange of any two axes shows."""
    return torch.linspace(-2, 3, 24, dtype=torch.float64).reshape(2, 2, 2, 3) ** 3 / 5


@pytest.mark.parametrize("target", [REAL, REFINED])
def test_reference_equals_the_definition_written_by_hand(target: int) -> None:
    logits = asymmetric_map()
    loss = patch_cross_entropy(logits, target, backend="reference")
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(by_hand(logits, target), rel=1e-14)


@EACH
@pytest.mark.parametrize("target", [REAL, REFINED])
def test_every_backend_takes_the_classes_from_dim_1(target: int, backend: str) -> None:
    logits = asymmetric_map().float().to(DEVICE)
    loss = patch_cross_entropy(logits, target, backend=backend)
    assert loss.item() == pytest.approx(by_hand(logits, target), rel=1e-6)


@EACH
def test_patch_loss_sums_over_patches_and_averages_over_images(backend: str) -> None:
    image = torch.randn(1, 2, 3, 4, device=DEVICE)
    once = patch_cross_entropy(image, REAL, backend=backend)
    wide = patch_cross_entropy(image.repeat(1, 1, 2, 1), REAL, backend=backend)
    twice = patch_cross_entropy(image.repeat(2, 1, 1, 1), REAL, backend=backend)
    assert wide.item() == pytest.approx(2 * once.item(), rel=1e-6)
    assert twice.item() == pytest.approx(once.item(), rel=1e-6)


@EACH
@pytest.mark.parametrize("target", [REAL, REFINED])
def test_logits_of_80_stay_finite_and_exact(target: int, backend: str) -> None:
    logits = torch.zeros(1, 2, 1, 2, device=DEVICE)
    logits[0, target] = torch.tensor([80.0, -80.0])
    logits[0, 1 - target] = torch.tensor([-80.0, 80.0])
    logits.requires_grad_()
    loss = patch_cross_entropy(logits, target, backend=backend)
    loss.backward()
    assert loss.item() == 160.0
    assert logits.grad is not None
    right, wrong = logits.grad[0, target, 0], logits.grad[0, 1 - target, 0]
    assert wrong.tolist() == [pytest.approx(0.0, abs=1e-30), 1.0]
    assert torch.equal(right, -wrong)


@EACH
def test_a_confident_patch_keeps_its_small_loss(backend: str) -> None:
    logits = torch.tensor([20.0, 0.0], device=DEVICE).reshape(1, 2, 1, 1)
    loss = patch_cross_entropy(logits, REAL, backend=backend)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-20.0)), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loss_of_short_floats_is_summed_in_float32(dtype: torch.dtype) -> None:
    logits = torch.randn(4, 2, 30, 30, device=DEVICE).to(dtype)
    loss = patch_cross_entropy(logits, REFINED)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_hand(logits, REFINED), rel=1e-5)


def test_autocast_does_not_shorten_the_loss() -> None:
    logits = torch.randn(4, 2, 9, 14, device=DEVICE)
    expected = patch_cross_entropy(logits, REAL, backend="reference")
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        loss = patch_cross_entropy(logits, REAL, backend="reference")
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ([1.0], "logits must be a torch.Tensor, got list"),
        (torch.zeros(8, 3, 4, 4), "logits must be [N, 2, h, w], got (8, 3, 4, 4)"),
        (torch.zeros(8, 4, 4, 2), "logits must be [N, 2, h, w], got (8, 4, 4, 2)"),
        (torch.zeros(8, 2), "logits must be [N, 2, h, w], got (8, 2)"),
        (torch.zeros(0, 2, 4, 4), "logits must be [N, 2, h, w] with N >= 1, got (0, 2, 4, 4)"),
        (
            torch.zeros(8, 2, 4, 4, dtype=torch.int64),
            "logits must have one of the dtypes torch.float32, torch.bfloat16, torch.float16, "
            "torch.float64, got torch.int64",
        ),
    ],
)
def test_wrong_logits_are_refused_in_one_sentence(logits: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        patch_cross_entropy(logits, REAL)
    assert str(caught.value) == message


@pytest.mark.parametrize("target", [2, -1, "real"])
def test_a_target_that_is_no_class_is_refused(target: int) -> None:
    with pytest.raises(ValueError, match=r"target must be 0 \(REAL\) or 1 \(REFINED\), got"):
        patch_cross_entropy(torch.zeros(1, 2, 1, 1), target)
