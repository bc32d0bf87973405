"""Plain PyTorch written to the paper, without our kernels and steps: the measure of every speed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simgan.engine.config import TrainConfig

Network = Callable[[Tensor], Tensor]
REAL, REFINED = 0, 1  # class axis of the logits, as in the checkpoints the weights are shared with


class PlainBlock(nn.Module):
    """conv, relu, conv, + input, relu."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv2d(width, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))) + x)


class PlainRefiner(nn.Module):
    """The paper's refiner; its weights have the names of `simgan.engine.refiner.Refiner`.

    Shapes: [N, C, H, W] -> [N, C, H, W].
    """

    def __init__(self, config: TrainConfig, channels: int) -> None:
        super().__init__()
        self.config, self.channels = config, channels
        self.conv_in = nn.Conv2d(channels, config.width, config.kernel, padding=config.kernel // 2)
        self.blocks = nn.Sequential(
            *(PlainBlock(config.width, config.kernel) for _ in range(config.blocks))
        )
        self.conv_out = nn.Conv2d(config.width, channels, 1)
        self.tanh = config.output_activation == "tanh"

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_out(self.blocks(F.relu(self.conv_in(x))))
        return torch.tanh(x) if self.tanh else x


class PlainDiscriminator(nn.Module):
    """The paper's gaze discriminator; its weights have the names of our `Discriminator`.

    Shapes: [N, C, H, W] -> logits [N, 2, h, w].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, 96, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 1),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(x))
        return logits


def plain_cross_entropy(logits: Tensor, target: int) -> Tensor:
    """Cross-entropy of logits [N, 2, h, w] and one class: sum over patches, mean over images."""
    images, _, rows, columns = logits.shape
    labels = torch.full((images, rows, columns), target, device=logits.device)
    return F.cross_entropy(logits, labels, reduction="sum") / images


def plain_regularization(refined: Tensor, synthetic: Tensor) -> Tensor:
    """l1(refined - synthetic): sum over pixels, mean over images."""
    return F.l1_loss(refined, synthetic, reduction="sum") / refined.shape[0]


def plain_block(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """The residual block on bare weights, [N, C, H, W] -> the same."""
    padding = w1.shape[-1] // 2
    hidden = F.relu(F.conv2d(x, w1, b1, padding=padding))
    return F.relu(F.conv2d(hidden, w2, b2, padding=padding) + x)


class PlainTraining:
    """Algorithm 1 in plain PyTorch: networks, Adam, history.

    Args:
        config: of the run; batch, k_g, k_d, lr, lambda_reg and the networks are used.
        channels: of the images.
        device: of the networks.
        dtype: of the weights.
        autocast: dtype to compute in, or None.
    """

    def __init__(
        self,
        config: TrainConfig,
        channels: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.config, self.device, self.amp = config, device, autocast
        self.refiner: nn.Module = PlainRefiner(config, channels).to(device, dtype)
        self.discriminator: nn.Module = PlainDiscriminator(channels).to(device, dtype)
        self.history: Tensor | None = None  # [B, C, H, W], full
        self.prepare()

    def prepare(self) -> None:
        """Fresh optimizers, after the networks have their weights and memory format."""
        rate, fused = self.config.lr, self.device.type == "cuda"
        self.optimizer_r = torch.optim.Adam(self.refiner.parameters(), lr=rate, fused=fused)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=rate, fused=fused)
        self.forward_r: Network = self.refiner
        self.forward_d: Network = self.discriminator

    def compile(self) -> None:
        """Run both networks through torch.compile from now on, once per shape."""
        how = _compile_options(self.device)
        self.forward_r = torch.compile(self.refiner, dynamic=False, **how)
        self.forward_d = torch.compile(self.discriminator, dynamic=False, **how)

    def compile_for_refining(self) -> None:
        """As `compile`, for the refiner alone; on a CPU with its weights frozen into the code."""
        how = _compile_options(self.device)
        if self.device.type == "cpu":
            how = {"options": {"max_autotune": True, "freezing": True}}
        self.forward_r = torch.compile(self.refiner.eval(), dynamic=False, **how)

    def fill_history(self, images: Tensor) -> None:
        """Put images [B, C, H, W] into the history."""
        self.history = images.to(next(self.refiner.parameters()).dtype, copy=True)

    def refine(self, x: Tensor) -> Tensor:
        """R(x) without gradients."""
        with torch.no_grad(), self.autocast():
            return self.forward_r(x)

    def refiner_update(self, synthetic: Tensor) -> None:
        """Eq. 4 and one Adam step; the discriminator's own gradients are not computed."""
        self.discriminator.requires_grad_(False)
        with self.autocast():
            refined = self.forward_r(synthetic)
            realism = plain_cross_entropy(self.forward_d(refined), REAL)
            loss = realism + self.config.lambda_reg * plain_regularization(refined, synthetic)
        self.optimizer_r.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer_r.step()
        self.discriminator.requires_grad_(True)

    def discriminator_update(self, synthetic: Tensor, real: Tensor) -> None:
        """Eq. 2 with half of the refined images from the history, and one Adam step.

        Args:
            synthetic: [b/2, C, H, W].
            real: [b, C, H, W].
        """
        assert self.history is not None
        half = synthetic.shape[0]
        with torch.no_grad(), self.autocast():
            current = self.forward_r(synthetic).to(self.history.dtype)
        old = self.history[self._slots(half)]
        with self.autocast():
            fake = self.forward_d(torch.cat((current, old)))
            true = self.forward_d(real)
            loss = plain_cross_entropy(fake, REFINED) + plain_cross_entropy(true, REAL)
        self.optimizer_d.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer_d.step()
        self.history[self._slots(half)] = current

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which networks run forward."""
        if self.amp is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.amp)

    def _slots(self, count: int) -> Tensor:
        assert self.history is not None
        return torch.randperm(self.history.shape[0], device=self.device)[:count]


def _compile_options(device: torch.device) -> dict[str, Any]:
    """The fastest that torch.compile offers: on a GPU that includes CUDA graphs."""
    return {"mode": "max-autotune"} if device.type == "cuda" else {}
