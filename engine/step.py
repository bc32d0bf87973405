"""One optimizer update of the refiner or of the discriminator, without waiting for the device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from simgan.engine.discriminator import Discriminator
from simgan.engine.history import HistoryBuffer
from simgan.engine.losses import (
    FeatureTransform,
    discriminator_loss,
    identity,
    refiner_loss,
    regularization_loss,
)
from simgan.engine.precision import Precision
from simgan.engine.refiner import Refiner
from simgan.kernels import REAL, REFINED

Metrics = dict[str, Tensor]


@dataclass
class Players:
    """The two networks, how they are updated, and what they share.

    Attributes:
        run_refiner, run_discriminator: what is called forward: the networks, or their compiled
            versions.
        scaler_r, scaler_d: loss scalers, active for fp16 only.
        backends: op to the backend asked for; the other ops choose the best available.
        history: None when the run keeps no history.
    """

    refiner: Refiner
    discriminator: Discriminator
    optimizer_r: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    precision: Precision
    lambda_reg: float
    history: HistoryBuffer | None = None
    psi: FeatureTransform = identity
    backends: Mapping[str, str] = field(default_factory=dict)
    run_refiner: Callable[[Tensor], Tensor] = field(init=False)
    run_discriminator: Callable[[Tensor], Tensor] = field(init=False)
    scaler_r: torch.amp.GradScaler = field(init=False)
    scaler_d: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.run_refiner, self.run_discriminator = self.refiner, self.discriminator
        needed, kind = self.precision.needs_scaler, self.precision.device.type
        self.scaler_r = torch.amp.GradScaler(kind, enabled=needed)
        self.scaler_d = torch.amp.GradScaler(kind, enabled=needed)

    def compile(self) -> None:
        """Run both networks through torch.compile from now on; their weights and names stay."""
        self.run_refiner = torch.compile(self.refiner)
        self.run_discriminator = torch.compile(self.discriminator)


def pretrain_refiner_step(players: Players, synthetic: Tensor) -> Metrics:
    """One refiner update on the self-regularization only, before Algorithm 1.

    Args:
        synthetic: [b, C, H, W].
    """
    with players.precision.autocast():
        refined = players.run_refiner(synthetic)
        loss = regularization_loss(refined, synthetic, players.psi, players.backends)
    _update(players.optimizer_r, players.scaler_r, loss)
    return {
        "refiner_loss": loss.detach(),
        "self_regularization": loss.detach(),
        **_appearance(refined.detach(), synthetic),
    }


def refiner_step(players: Players, synthetic: Tensor) -> Metrics:
    """One refiner update on Eq. 4; gradients pass through the discriminator but not into it.

    Args:
        synthetic: [b, C, H, W].
    """
    _freeze(players.discriminator, True)
    with players.precision.autocast():
        refined = players.run_refiner(synthetic)
        logits = players.run_discriminator(refined)
        loss = refiner_loss(
            logits, refined, synthetic, players.lambda_reg, players.psi, players.backends
        )
    _update(players.optimizer_r, players.scaler_r, loss.total)
    _freeze(players.discriminator, False)
    return {
        "refiner_loss": loss.total.detach(),
        "realism_loss": loss.realism.detach(),
        "self_regularization": loss.regularization.detach(),
        **_appearance(refined.detach(), synthetic),
    }


def refined_needed(stored: int, batch: int) -> int:
    """Synthetic images that one discriminator update refines.

    b/2 once the history has b/2 images to give, before that and without a history all b.

    Args:
        stored: images in the history, 0 without one.
        batch: b.
    """
    return batch // 2 if stored >= batch // 2 else batch


def discriminator_step(
    players: Players, synthetic: Tensor, real: Tensor, *, use_history: bool = True
) -> Metrics:
    """One discriminator update on Eq. 2, half of its refined images from the history (2.3).

    With b/2 images in the history only b/2 synthetic ones are refined; those b/2 take the places of
    b/2 random entries, after the history has given b/2 of its own. Before that the whole batch
    comes from the refiner.

    Args:
        synthetic: [b, C, H, W]; the first `refined_needed` of them are used.
        real: [b, C, H, W].
        use_history: False during pre-training, when there is no history yet.
    """
    history = players.history if use_history else None
    batch = real.shape[0]
    needed = refined_needed(0 if history is None else len(history), batch)
    with torch.no_grad(), players.precision.autocast():
        current = players.run_refiner(synthetic[:needed]).float()
    refined = current
    with record_function("history"):
        if history is not None and needed < batch:
            old = history.exchange(current, players.backends)
            refined = torch.cat((current, old.to(current.dtype)))
        elif history is not None:
            history.push(current[: batch // 2], players.backends)
    images = players.precision.images(torch.cat((refined, real)))
    with players.precision.autocast():
        logits = players.run_discriminator(images)
        # The gradient of a split keeps the memory format; that of two slices does not.
        refined_logits, real_logits = torch.split(logits, [refined.shape[0], batch])
        loss = discriminator_loss(refined_logits, real_logits, players.backends)
    _update(players.optimizer_d, players.scaler_d, loss)
    return {
        "discriminator_loss": loss.detach(),
        "real_contrast": real.std(),
        "d_accuracy_real": accuracy(real_logits, REAL),
        "d_accuracy_refined": accuracy(refined_logits, REFINED),
    }


def accuracy(logits: Tensor, target: int) -> Tensor:
    """Share of patches that the discriminator gets right, a scalar in [0, 1]."""
    refined_wins = logits.detach()[:, REFINED] > logits.detach()[:, REAL]
    right = refined_wins if target == REFINED else ~refined_wins
    return right.float().mean()


def _appearance(refined: Tensor, synthetic: Tensor) -> Metrics:
    """What the health rules and the progress line look at."""
    refined = refined.float()
    looks = {
        "mean_abs_change": (refined - synthetic).abs().mean(),
        "refined_contrast": _contrast(refined),
        "synthetic_contrast": _contrast(synthetic),
    }
    if synthetic.shape[1] > 1:
        looks["refined_color"] = _color(refined)
        looks["synthetic_color"] = _color(synthetic)
    return looks


def _contrast(images: Tensor) -> Tensor:
    """Deviation within each channel of each image, averaged: a uniform colour has none."""
    return images.flatten(2).std(dim=2, correction=0).mean()


def _color(images: Tensor) -> Tensor:
    """Deviation of the channels of a pixel from each other, averaged: gray has none."""
    return images.std(dim=1, correction=0).mean()


def _freeze(network: nn.Module, frozen: bool) -> None:
    """A frozen network passes gradients on without computing those of its own weights."""
    for parameter in network.parameters():
        parameter.requires_grad_(not frozen)


def _update(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.step(optimizer)
    scaler.update()
