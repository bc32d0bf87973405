"""Floating-point operations of the networks, counted from their layers (2 per multiply-add)."""

from dataclasses import dataclass

from simgan.engine.benchmark.roofline import Pass
from simgan.engine.config import TrainConfig


@dataclass(frozen=True)
class Convolution:
    """One convolution layer on its output map.

    Attributes:
        inputs, outputs: channels.
        kernel: side of its filter.
        pixels: of the output map.
        pixels_in: of the input map.
    """

    inputs: int
    outputs: int
    kernel: int
    pixels: int
    pixels_in: int

    @property
    def flops(self) -> int:
        """Of one image, bias and activation not counted."""
        return 2 * self.inputs * self.outputs * self.kernel**2 * self.pixels

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.inputs * self.outputs * self.kernel**2 + self.outputs

    @property
    def maps_out(self) -> int:
        """Numbers in the output map of one image."""
        return self.outputs * self.pixels

    def forward(self, images: int, item: int, *, skip: bool = False) -> Pass:
        """Reads the input map and the weights (and a skip connection's map), writes the output.

        Args:
            images: that go through.
            item: bytes of one number.
            skip: whether a map of the output's size is added.
        """
        extra = images * self.maps_out if skip else 0
        return self._pass(images, item, extra)

    def data_gradient(self, images: int, item: int, *, skip: bool = False) -> Pass:
        """Reads the output map's gradient and the weights, writes the input map's gradient.

        Args: as for `forward`; `skip` adds a map of the input's size.
        """
        extra = images * self.inputs * self.pixels_in if skip else 0
        return self._pass(images, item, extra)

    def weight_gradient(self, images: int, item: int) -> Pass:
        """Reads the input map and the output map's gradient, writes the weights' gradient."""
        return self._pass(images, item, 0)

    def _pass(self, images: int, item: int, extra: int) -> Pass:
        maps = self.inputs * self.pixels_in + self.maps_out
        return Pass(images * self.flops, item * (images * maps + self.parameters + extra))


def refiner_layers(
    config: TrainConfig, channels: int, height: int, width: int
) -> list[Convolution]:
    """The refiner's convolutions, first to last."""
    pixels, features, kernel = height * width, config.width, config.kernel
    return [
        Convolution(channels, features, kernel, pixels, pixels),
        *[Convolution(features, features, kernel, pixels, pixels)] * (2 * config.blocks),
        Convolution(features, channels, 1, pixels, pixels),
    ]


def discriminator_layers(channels: int, height: int, width: int) -> list[Convolution]:
    """The convolutions of the gaze discriminator, first to last."""
    half = _halved(height) * _halved(width)
    quarter = _halved(_halved(height)) * _halved(_halved(width))
    return [
        Convolution(channels, 96, 3, half, height * width),
        Convolution(96, 64, 3, quarter, half),
        Convolution(64, 32, 3, quarter, quarter),
        Convolution(32, 32, 1, quarter, quarter),
        Convolution(32, 2, 1, quarter, quarter),
    ]


def forward(layers: list[Convolution]) -> int:
    """Of one image through `layers`."""
    return sum(layer.flops for layer in layers)


def backward(layers: list[Convolution]) -> int:
    """Of the gradients of one image by all weights; none is needed by the image itself."""
    return 2 * forward(layers) - layers[0].flops


def refiner_update(config: TrainConfig, channels: int, height: int, width: int) -> int:
    """R forward and backward, D forward and back to its input, for a whole batch."""
    r = refiner_layers(config, channels, height, width)
    d = discriminator_layers(channels, height, width)
    return config.batch * (forward(r) + backward(r) + 2 * forward(d))


def discriminator_update(config: TrainConfig, channels: int, height: int, width: int) -> int:
    """R forward for half a batch, D forward and backward for b refined and b real images."""
    r = refiner_layers(config, channels, height, width)
    d = discriminator_layers(channels, height, width)
    return config.batch // 2 * forward(r) + 2 * config.batch * (forward(d) + backward(d))


def full_step(config: TrainConfig, channels: int, height: int, width: int) -> int:
    """K_g refiner updates and K_d discriminator updates (Algorithm 1)."""
    shape = (channels, height, width)
    return config.k_g * refiner_update(config, *shape) + config.k_d * discriminator_update(
        config, *shape
    )


def _halved(side: int) -> int:
    """Side of the map behind a 3x3 convolution of stride 2 and padding 1."""
    return (side - 1) // 2 + 1
