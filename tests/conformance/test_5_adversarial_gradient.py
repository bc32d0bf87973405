"""Bug 5: no adversarial term in the refiner's loss; and who may learn from which loss."""

import torch

from simgan.engine.discriminator import Discriminator
from simgan.engine.history import HistoryBuffer
from simgan.engine.precision import Precision
from simgan.engine.refiner import Refiner
from simgan.engine.step import Players, discriminator_step, refiner_step

CPU = Precision(torch.device("cpu"))


def players(lambda_reg: float = 0.0, history: int | None = None) -> Players:
    torch.manual_seed(1)
    refiner, discriminator = Refiner(width=4, blocks=1), Discriminator()
    buffer = HistoryBuffer(history, (1, 24, 28), seed=3) if history else None
    return Players(
        refiner,
        discriminator,
        torch.optim.SGD(refiner.parameters(), lr=0.1),
        torch.optim.SGD(discriminator.parameters(), lr=0.1),
        CPU,
        lambda_reg,
        buffer,
    )


def images(seed: int, count: int = 4) -> torch.Tensor:
    return torch.rand(count, 1, 24, 28, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


def test_refiner_learns_from_the_discriminator_alone() -> None:
    game = players(lambda_reg=0.0)
    before = weights(game.refiner)
    refiner_step(game, images(0))
    assert (weights(game.refiner) - before).abs().max() > 1e-6


def test_refiner_update_leaves_the_discriminator_alone() -> None:
    game = players()
    before = weights(game.discriminator)
    refiner_step(game, images(0))
    assert weights(game.discriminator).equal(before)
    assert all(parameter.grad is None for parameter in game.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in game.discriminator.parameters())


def test_discriminator_update_leaves_the_refiner_alone() -> None:
    game = players(history=6)
    before = weights(game.refiner)
    discriminator_step(game, images(0), images(1))
    assert weights(game.refiner).equal(before)
    assert all(parameter.grad is None for parameter in game.refiner.parameters())


def test_refiner_update_makes_the_discriminator_call_its_images_real() -> None:
    game = players(lambda_reg=0.0)
    x = images(0)
    first = float(refiner_step(game, x)["realism_loss"])
    game.optimizer_r.param_groups[0]["lr"] = 1e-3
    for _ in range(5):
        last = float(refiner_step(game, x)["realism_loss"])
    assert last < first


def test_discriminator_update_lowers_its_own_loss() -> None:
    game = players()
    game.optimizer_d.param_groups[0]["lr"] = 1e-3
    losses = [
        float(discriminator_step(game, images(0), images(1))["discriminator_loss"])
        for _ in range(6)
    ]
    assert losses[-1] < losses[0]


def test_half_of_the_discriminators_refined_images_come_from_the_history() -> None:
    game = players(history=8)
    seen: list[torch.Tensor] = []
    game.discriminator.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach().clone())
    )
    old = torch.full((8, 1, 24, 28), 0.123)
    assert game.history is not None
    game.history.push(old)
    synthetic, real = images(2), images(3)
    with torch.no_grad():
        current = game.refiner(synthetic[:2])
    discriminator_step(game, synthetic, real)
    (batch,) = seen
    assert batch.shape[0] == 8
    torch.testing.assert_close(batch[:2], current)
    assert bool((batch[2:4] == 0.123).all()), "two images out of the history"
    torch.testing.assert_close(batch[4:], real)
    replaced = (game.history.images != 0.123).flatten(1).any(1).sum()
    assert int(replaced) == 2, "b/2 entries replaced by the b/2 new images"


def test_gradients_of_a_refiner_update_equal_the_equation() -> None:
    game = players(lambda_reg=0.7)
    x = images(5)
    refined = game.refiner(x)
    log_probabilities = torch.log_softmax(game.discriminator(refined), dim=1)
    expected_loss = -log_probabilities[:, 0].sum() / 4 + 0.7 * (refined - x).abs().sum() / 4
    expected = torch.autograd.grad(expected_loss, list(game.refiner.parameters()))
    before = [parameter.detach().clone() for parameter in game.refiner.parameters()]
    refiner_step(game, x)
    for old, parameter, gradient in zip(before, game.refiner.parameters(), expected, strict=True):
        torch.testing.assert_close((old - parameter.detach()) / 0.1, gradient, rtol=1e-3, atol=1e-4)
