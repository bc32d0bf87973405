"""Bug 3: "sum over patches" in the comment, a mean in the code; lambda is then anything."""

import torch

from simgan.engine.losses import (
    derivative,
    discriminator_loss,
    effective_lambda,
    identity,
    mean_channel,
    refiner_loss,
)


def uniform_logits(count: int, height: int, width: int) -> torch.Tensor:
    """D is undecided everywhere: every patch costs log 2."""
    return torch.zeros(count, 2, height, width, dtype=torch.float64)


def test_patch_loss_sums_over_patches_and_means_over_images() -> None:
    log2 = torch.tensor(2.0, dtype=torch.float64).log()
    x = torch.zeros(5, 1, 6, 8, dtype=torch.float64)
    loss = refiner_loss(uniform_logits(5, 9, 14), x, x, 1.0, identity)
    torch.testing.assert_close(loss.realism, 9 * 14 * log2)
    halves = discriminator_loss(uniform_logits(5, 9, 14), uniform_logits(3, 9, 14))
    torch.testing.assert_close(halves, 2 * 9 * 14 * log2)


def test_self_regularization_sums_over_pixels_and_means_over_images() -> None:
    synthetic = torch.zeros(4, 3, 5, 7, dtype=torch.float64)
    refined = synthetic + 0.25
    loss = refiner_loss(uniform_logits(4, 1, 1), refined, synthetic, 2.0, identity)
    torch.testing.assert_close(loss.regularization, torch.tensor(0.25 * 3 * 5 * 7).double())
    torch.testing.assert_close(loss.total, loss.realism + 2.0 * loss.regularization)


def test_loss_of_a_batch_does_not_depend_on_its_size() -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64)
    x = torch.randn(2, 1, 5, 5, generator=generator, dtype=torch.float64)
    one = refiner_loss(logits, x, 0.5 * x, 0.3, identity)
    four = refiner_loss(
        logits.repeat(4, 1, 1, 1), x.repeat(4, 1, 1, 1), 0.5 * x.repeat(4, 1, 1, 1), 0.3, identity
    )
    torch.testing.assert_close(one.total, four.total)


def test_psi_derivative_ignores_a_constant_and_sees_an_edge() -> None:
    synthetic = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    logits = uniform_logits(1, 1, 1)
    brighter = refiner_loss(logits, synthetic + 0.5, synthetic, 1.0, derivative)
    assert float(brighter.regularization) == 0.0
    edge = synthetic.clone()
    edge[..., 3:] = 1.0  # one step of 1 in each of 4 rows
    assert float(refiner_loss(logits, edge, synthetic, 1.0, derivative).regularization) == 4.0


def test_psi_mean_channel_lets_colour_change() -> None:
    synthetic = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    tinted = synthetic.clone()
    tinted[:, 0], tinted[:, 1] = 0.5, -0.5
    logits = uniform_logits(1, 1, 1)
    assert float(refiner_loss(logits, tinted, synthetic, 1.0, mean_channel).regularization) == 0.0
    assert float(refiner_loss(logits, tinted, synthetic, 1.0, identity).regularization) == 4.0


def test_effective_lambda_is_the_ratio_of_counts() -> None:
    assert effective_lambda(0.3, pixels=35 * 55, patches=9 * 14) == 0.3 * 1925 / 126
