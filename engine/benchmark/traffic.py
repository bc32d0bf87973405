"""The passes of refining and of a step: FLOPs and bytes of every layer, counted from the config.

One pass is one layer in one direction. Biases, activations and skip connections are part of it, as
a fused kernel does them; a layer reads its input and weights once and writes its output once.
"""

from simgan.engine.benchmark.flops import Convolution, discriminator_layers, refiner_layers
from simgan.engine.benchmark.roofline import Pass
from simgan.engine.config import TrainConfig

FLOAT32 = 4
ADAM = 7  # float32 numbers per parameter: reads p, g, m, v and writes p, m, v
Image = tuple[int, int, int]  # (C, H, W)


def refining(config: TrainConfig, image: Image, images: int, item: int) -> list[Pass]:
    """R forward.

    Args:
        config: width, blocks and kernel are used.
        image: (C, H, W).
        images: that go in.
        item: bytes of one number.
    """
    layers = refiner_layers(config, *image)
    return [
        layer.forward(images, item, skip=skip)
        for layer, skip in zip(layers, _skips(layers), strict=True)
    ]


def refiner_update(config: TrainConfig, image: Image, item: int) -> list[Pass]:
    """R forward and backward, D forward and back to its input, losses, Adam."""
    batch = config.batch
    r, d = refiner_layers(config, *image), discriminator_layers(*image)
    backward = [layer.weight_gradient(batch, item) for layer in r]
    backward += [
        layer.data_gradient(batch, item, skip=skip)
        for layer, skip in zip(r[1:], [*_skips(r)[2:], False], strict=True)
    ]
    through = [layer.data_gradient(batch, item) for layer in d]
    losses = Pass(bytes=item * batch * (3 * _numbers(image) + 2 * d[-1].maps_out))
    return [
        *refining(config, image, batch, item),
        *_discriminating(d, batch, item),
        *through,
        _pool(d, batch, item),
        *backward,
        losses,
        _adam(r),
    ]


def discriminator_update(config: TrainConfig, image: Image, item: int) -> list[Pass]:
    """R forward for b/2, D forward and backward for b refined and b real, history, loss, Adam."""
    half, shown = config.batch // 2, 2 * config.batch
    d = discriminator_layers(*image)
    backward = [layer.weight_gradient(shown, item) for layer in d]
    backward += [layer.data_gradient(shown, item) for layer in d[1:]]
    moved = FLOAT32 * half * _numbers(image)  # sampled images and new ones, read and written
    return [
        *refining(config, image, half, item),
        *_discriminating(d, shown, item),
        *backward,
        _pool(d, shown, item),
        Pass(bytes=4 * moved),
        Pass(bytes=2 * item * shown * d[-1].maps_out),
        _adam(d),
    ]


def full_step(config: TrainConfig, image: Image, item: int) -> list[Pass]:
    """K_g refiner updates and K_d discriminator updates (Algorithm 1)."""
    return config.k_g * refiner_update(config, image, item) + config.k_d * discriminator_update(
        config, image, item
    )


def residual_block(config: TrainConfig, image: Image, images: int, item: int) -> list[Pass]:
    """The two convolutions of one block, forward."""
    first, second = refiner_layers(config, *image)[1:3]
    return [first.forward(images, item), second.forward(images, item, skip=True)]


def _discriminating(layers: list[Convolution], images: int, item: int) -> list[Pass]:
    return [*(layer.forward(images, item) for layer in layers), _pool(layers, images, item)]


def _pool(layers: list[Convolution], images: int, item: int) -> Pass:
    """The 3x3 maximum behind the second convolution, of stride 1; backward moves as much."""
    return Pass(bytes=2 * item * images * layers[1].maps_out)


def _skips(layers: list[Convolution]) -> list[bool]:
    """Which of the refiner's layers add a block's input: the second of each pair in the middle.

    Backward it is the first of each pair that adds the gradient which skipped the block.
    """
    middle = len(layers) - 2
    return [False, *(number % 2 == 1 for number in range(middle)), False]


def _adam(layers: list[Convolution]) -> Pass:
    return Pass(bytes=FLOAT32 * ADAM * sum(layer.parameters for layer in layers))


def _numbers(image: Image) -> int:
    channels, height, width = image
    return channels * height * width
