"""What a training run will need: parameters, and an estimate of its memory."""

from dataclasses import dataclass

import torch
from torch import nn

from simgan.engine.config import TrainConfig
from simgan.engine.discriminator import Discriminator
from simgan.engine.refiner import Refiner

FLOAT32 = 4
ADAM_MOMENTS = 2


@dataclass(frozen=True)
class Footprint:
    """Parameters (counts) and bytes. Activations are an estimate of what backward keeps.

    Attributes:
        weights: of both networks, float32.
        gradients: as many again.
        optimizer: Adam's two moments; momentum-free SGD keeps nothing.
        activations: of the larger of the two updates.
        history: the full buffer, float32.
    """

    refiner_parameters: int
    discriminator_parameters: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    history: int

    @property
    def total(self) -> int:
        """Bytes on the device, without the images and what the libraries reserve."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.history

    @property
    def checkpoint(self) -> int:
        """Bytes of one checkpoint."""
        return self.weights + self.optimizer + self.history


def footprint(config: TrainConfig, height: int, width: int, channels: int) -> Footprint:
    """The footprint of training on images of this size; allocates no memory for it."""
    with torch.device("meta"):
        refiner = Refiner(
            channels,
            config.width,
            config.blocks,
            config.kernel,
            config.output_activation,
            padding=config.padding,
        )
        discriminator = Discriminator(
            channels, config.discriminator, config.adversarial, (height, width)
        )
    counts = [sum(p.numel() for p in net.parameters()) for net in (refiner, discriminator)]
    weights = sum(counts) * FLOAT32
    value = FLOAT32 // 2 if config.amp else FLOAT32
    # Kept per residual block: its hidden features and its output; the first convolution adds one.
    kept = config.width * (1 + 2 * config.blocks) + 3 * channels
    refiner_image = height * width * kept * value
    patch_image = _outputs(discriminator, (1, channels, height, width)) * value
    return Footprint(
        refiner_parameters=counts[0],
        discriminator_parameters=counts[1],
        weights=weights,
        gradients=weights,
        optimizer=ADAM_MOMENTS * weights if config.optimizer == "adam" else 0,
        activations=config.batch * max(refiner_image + patch_image, 2 * patch_image),
        history=config.history * config.history_capacity * channels * height * width * FLOAT32,
    )


def _outputs(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Values that the leaf layers of a network put out for one input of `shape`."""
    counted: list[int] = []
    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda _, __, out: counted.append(out.numel()))
    with torch.no_grad():
        network(torch.empty(shape, device="meta"))
    return sum(counted)
