"""Eq. 4 in one op: the two terms it joins, which gradients it has, and what it refuses."""

import math
from collections.abc import Callable

import pytest
import torch
from op_cases import DEVICE, runs_on
from torch import Tensor

from simgan.kernels import REAL, patch_cross_entropy, refiner_loss, self_regularization

EACH = pytest.mark.parametrize("backend", runs_on("refiner_loss"))
OP = torch.ops.simgan.refiner_loss.default


def scene(images: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(images, 2, 4, 5), (images, 3, 7, 6), (images, 3, 7, 6)]
    logits, refined, target = (torch.randn(s, generator=generator).to(DEVICE) for s in shapes)
    return logits.requires_grad_(), refined.requires_grad_(), target


def test_reference_equals_the_definition_written_by_hand() -> None:
    logits, refined, target = (tensor.detach().double() for tensor in scene(2))
    realism = regularization = 0.0
    for image in range(2):
        for y in range(4):
            for x in range(5):
                real, fake = logits[image, :, y, x].tolist()
                realism -= math.log(math.exp(real) / (math.exp(real) + math.exp(fake)))
        pairs = zip(
            refined[image].flatten().tolist(), target[image].flatten().tolist(), strict=True
        )
        regularization += sum(abs(one - other) for one, other in pairs)
    found = refiner_loss(logits, refined, target, 0.7, backend="reference")
    assert [value.dtype for value in found] == [torch.float64] * 3
    expected = [realism / 2 + 0.7 * regularization / 2, realism / 2, regularization / 2]
    assert [value.item() for value in found] == pytest.approx(expected, rel=1e-14)


@EACH
def test_is_the_sum_of_the_two_losses_and_of_their_gradients(backend: str) -> None:
    logits, refined, target = scene()
    total, realism, regularization = refiner_loss(logits, refined, target, 0.7, backend=backend)
    gradients = torch.autograd.grad(3 * total, (logits, refined))
    one = patch_cross_entropy(logits, REAL, backend=backend)
    other = self_regularization(refined, target, backend=backend)
    separate = torch.autograd.grad(3 * (one + 0.7 * other), (logits, refined))
    torch.testing.assert_close(realism, one.detach())
    torch.testing.assert_close(regularization, other.detach())
    torch.testing.assert_close(total, one + 0.7 * other)
    for ours, theirs in zip(gradients, separate, strict=True):
        torch.testing.assert_close(ours, theirs)


@EACH
@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("change", ["channels_last", "sliced", "target channels_last"])
def test_layouts_do_not_change_values_and_gradients_keep_them(backend: str, change: str) -> None:
    logits, refined, target = scene()
    expected = refiner_loss(logits, refined, target, 0.7, backend=backend)
    gradients = torch.autograd.grad(expected[0], (logits, refined))
    layouts: dict[str, Callable[[Tensor], Tensor]] = {
        "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
        "sliced": lambda t: torch.stack([t, torch.full_like(t, torch.nan)], -1)[..., 0],
    }
    laid_out = layouts[change.split()[-1]]
    target = laid_out(target)
    if change != "target channels_last":
        logits, refined = (laid_out(t.detach()).requires_grad_() for t in (logits, refined))
    found = refiner_loss(logits, refined, target, 0.7, backend=backend)
    for ours, other in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, other)
    for source, ours, other in zip(
        (logits, refined),
        torch.autograd.grad(found[0], (logits, refined)),
        gradients,
        strict=True,
    ):
        torch.testing.assert_close(ours, other)
        assert ours.stride() == torch.empty_like(source).stride()


@EACH
def test_the_gradient_where_refined_equals_the_target_is_0(backend: str) -> None:
    logits, _, _ = scene(2)
    refined = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.0, -7.0]], device=DEVICE, requires_grad=True)
    target = torch.tensor([[1.0, 1.0, 4.0], [0.5, -0.0, 8.0]], device=DEVICE)
    total, _, _ = refiner_loss(logits, refined, target, 4.0, backend=backend)
    (gradient,) = torch.autograd.grad(3 * total, refined)
    assert gradient.tolist() == [[0.0, 6.0, -6.0], [0.0, 0.0, -6.0]]


@EACH
@pytest.mark.parametrize("needs", [(True, False), (False, True), (False, False)])
def test_only_gradients_that_are_needed_are_calculated(
    backend: str, needs: tuple[bool, bool]
) -> None:
    logits, refined, target = scene()
    expected = refiner_loss(logits, refined, target, 0.7, backend=backend)
    inputs = [t.detach().requires_grad_(n) for t, n in zip((logits, refined), needs, strict=True)]
    total, realism, regularization = refiner_loss(*inputs, target, 0.7, backend=backend)
    assert torch.equal(total, expected[0])
    assert not realism.requires_grad
    assert not regularization.requires_grad
    assert total.requires_grad == any(needs)
    if any(needs):
        total.backward()
    assert [tensor.grad is not None for tensor in inputs] == list(needs)
    kept = OP(*(t.detach() for t in (*inputs, target)), 0.7, list(needs), backend)[3:]
    assert [tensor.numel() > 0 for tensor in kept] == list(needs)
    with torch.no_grad():
        assert not refiner_loss(logits, refined, target, 0.7, backend=backend)[0].requires_grad


@EACH
def test_a_second_backward_through_a_kept_graph_gives_the_same(backend: str) -> None:
    logits, refined, target = scene()
    total, _, _ = refiner_loss(logits, refined, target, 0.7, backend=backend)
    first = torch.autograd.grad(total, (logits, refined), retain_graph=True)
    second = torch.autograd.grad(2 * total, (logits, refined))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(2 * one, other)


@EACH
def test_confident_patches_keep_their_gradient(backend: str) -> None:
    """float16 would lose it, were it stored before the loss scale is multiplied in."""
    dtype = torch.float32 if backend in ("cpp", "cuda") else torch.float16
    logits = torch.tensor([-10.0, 10.0], device=DEVICE, dtype=dtype).view(1, 2, 1, 1)
    logits = logits.neg().requires_grad_()
    refined = torch.zeros(1, 1, device=DEVICE, dtype=dtype)
    total, _, _ = refiner_loss(logits, refined, refined, 1.0, backend=backend)
    (gradient,) = torch.autograd.grad(65536 * total, logits)
    slope = 65536 * math.exp(-20) / (1 + math.exp(-20))
    assert gradient.flatten().tolist() == pytest.approx([-slope, slope], rel=1e-2)


def test_dtypes_may_differ_and_autocast_does_not_shorten_the_loss() -> None:
    logits, refined, target = scene()
    expected = refiner_loss(logits.bfloat16(), refined, target, 0.7)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found = refiner_loss(logits.bfloat16(), refined, target, 0.7)
    assert found[0].dtype == torch.float32
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": None}, "target must be a torch.Tensor, got NoneType"),
        (
            {"logits": torch.zeros(2, 3, 1, 1)},
            "logits must be [N, 2, h, w] with N >= 1, got (2, 3, 1, 1)",
        ),
        (
            {"refined": torch.zeros(3, 4)},
            "refined must be [N, ...] with N = 2 as in logits, got (3, 4)",
        ),
        (
            {"target": torch.zeros(2, 4)},
            "target must have the shape of refined, (2, 1, 3, 3), got (2, 4)",
        ),
        (
            {"refined": torch.zeros(2, 1, 3, 3, dtype=torch.uint8)},
            "refined must have one of the dtypes torch.float32, torch.bfloat16, torch.float16, "
            "torch.float64, got torch.uint8",
        ),
        (
            {"target": torch.zeros(2, 1, 3, 3, device="meta")},
            "target must be on the device of logits, cpu, got meta",
        ),
        (
            {"target": torch.zeros(2, 1, 3, 3, requires_grad=True)},
            "target must not require a gradient: none is calculated for it",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(
    change: dict[str, Tensor], message: str
) -> None:
    arguments = {
        "logits": torch.zeros(2, 2, 1, 1),
        "refined": torch.zeros(2, 1, 3, 3),
        "target": torch.zeros(2, 1, 3, 3),
    }
    with pytest.raises(ValueError) as caught:
        refiner_loss(**(arguments | change), lambda_reg=1.0)
    assert str(caught.value) == message
