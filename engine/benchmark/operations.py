"""The single operations of a step, with inputs, and what they are in plain PyTorch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from simgan.engine.benchmark.baseline import (
    REAL,
    REFINED,
    plain_block,
    plain_cross_entropy,
    plain_regularization,
)
from simgan.engine.benchmark.contestants import Scene
from simgan.engine.benchmark.plan import CHANNELS
from simgan.engine.benchmark.roofline import Pass, Work
from simgan.engine.benchmark.traffic import residual_block as block_passes
from simgan.engine.discriminator import Discriminator
from simgan.kernels import (
    history_exchange_,
    patch_cross_entropy,
    refiner_loss,
    residual_block,
    self_regularization,
)
from simgan.kernels.residual_block import block_limits

NEARLY_ZERO = 1e-5  # float32 may round a relu's input of order 1 to the other side of zero


@dataclass(frozen=True)
class Operation:
    """One op with its inputs and its plain counterpart.

    Attributes:
        name: in `simgan.kernels.dispatch`.
        inputs: of one call, channels_last; those that require gradients have `requires_grad`.
        plain: the op in plain PyTorch.
        ours: the op on a backend.
        work: of the forward; the backward reads and calculates `backward_factor` times as much.
        limits: backends that cannot take these inputs, with the reason.
        settled: of the inputs in float64, the outputs (1, others 0) whose gradients the gate
            compares; None for all.
    """

    name: str
    inputs: tuple[Tensor, ...]
    plain: Callable[..., Tensor]
    ours: Callable[..., Tensor]
    work: Work
    backward_factor: float = 0.0
    limits: Mapping[str, str] = field(default_factory=dict)
    settled: Callable[..., Tensor] | None = None


def operations(scene: Scene) -> list[Operation]:
    """The ops of a step with seeded inputs on the scene's device, in the dtype of its precision."""
    draw = _Draw(scene)
    return [
        _block(scene, draw),
        _entropy(scene, draw),
        _difference(scene, draw),
        _refining(scene, draw),
        _swap(scene, draw),
    ]


class _Draw:
    """Seeded normal numbers, channels_last where they are images."""

    def __init__(self, scene: Scene) -> None:
        self.device = scene.device
        self.dtype = scene.dtype
        self.generator = torch.Generator().manual_seed(1)

    def __call__(self, *shape: int, scale: float = 1.0, grad: bool = True) -> Tensor:
        x = torch.randn(shape, generator=self.generator) * scale
        x = x.to(self.device, self.dtype)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return x.requires_grad_(grad)


def _block(scene: Scene, draw: _Draw) -> Operation:
    config, (height, width) = scene.plan.config, scene.plan.size
    features, kernel = config.width, config.kernel
    filters = (features, features, kernel, kernel)
    inputs = [draw(config.batch, features, height, width)]
    for _ in range(2):
        inputs += [draw(*filters, scale=(features * kernel**2) ** -0.5), draw(features, scale=0.1)]
    image = (CHANNELS, height, width)
    passes = block_passes(config, image, config.batch, draw.dtype.itemsize)
    work = Work(config.batch, tuple(passes))
    refused = block_limits(features, kernel)
    return Operation(
        "residual_block",
        tuple(inputs),
        plain_block,
        residual_block,
        work,
        2.0,
        refused,
        _away_from_relus if draw.dtype is torch.float32 else None,
    )


@torch.no_grad()
def _away_from_relus(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """Outputs of a residual block that depend on no relu whose input is nearly zero.

    Rounding opens or closes such a relu, in plain PyTorch as in any other implementation, and that
    changes the gradients around it by any amount: the gate would measure luck.
    """
    pad = w1.shape[-1] // 2
    before = F.conv2d(x, w1, b1, padding=pad)
    after = F.conv2d(before.relu(), w2, b2, padding=pad) + x
    near = (before.abs() < NEARLY_ZERO).any(1, keepdim=True).to(x.dtype)
    seen = F.max_pool2d(near, 2 * pad + 1, stride=1, padding=pad)
    return (1 - seen) * (after.abs() >= NEARLY_ZERO)


def _entropy(scene: Scene, draw: _Draw) -> Operation:
    map_size = Discriminator(CHANNELS).map_size(scene.plan.size)
    logits = draw(scene.plan.config.batch, 2, *map_size)
    return Operation(
        "patch_cross_entropy",
        (logits,),
        lambda x: plain_cross_entropy(x, REFINED),
        lambda x, backend: patch_cross_entropy(x, REFINED, backend=backend),
        Work(logits.shape[0], (Pass(bytes=_bytes(logits)),)),
        2.0,
    )


def _difference(scene: Scene, draw: _Draw) -> Operation:
    batch = scene.plan.config.batch
    refined = draw(batch, CHANNELS, *scene.plan.size)
    synthetic = draw(batch, CHANNELS, *scene.plan.size, grad=False)
    return Operation(
        "self_regularization",
        (refined, synthetic),
        plain_regularization,
        self_regularization,
        Work(batch, (Pass(bytes=2 * _bytes(refined)),)),
        1.5,
    )


def _refining(scene: Scene, draw: _Draw) -> Operation:
    (logits,), (refined, synthetic) = _entropy(scene, draw).inputs, _difference(scene, draw).inputs
    weight = scene.plan.config.lambda_reg

    def plain(logits: Tensor, refined: Tensor, synthetic: Tensor) -> Tensor:
        realism = plain_cross_entropy(logits, REAL)
        return realism + weight * plain_regularization(refined, synthetic)

    def ours(logits: Tensor, refined: Tensor, synthetic: Tensor, backend: str) -> Tensor:
        return refiner_loss(logits, refined, synthetic, weight, backend=backend)[0]

    work = Work(logits.shape[0], (Pass(bytes=_bytes(logits) + 2 * _bytes(refined)),))
    return Operation("refiner_loss", (logits, refined, synthetic), plain, ours, work, 1.5)


def _swap(scene: Scene, draw: _Draw) -> Operation:
    half = scene.plan.config.batch // 2
    fresh = draw(half, CHANNELS, *scene.plan.size, grad=False).float().contiguous()
    # With one image in every slot, whatever slots are drawn, the result is the same.
    history = scene.history[:1].expand_as(scene.history).contiguous()

    def plain(images: Tensor, history: Tensor, state: Tensor) -> Tensor:
        sampled, replaced = (
            torch.randperm(history.shape[0], device=history.device)[:half] for _ in range(2)
        )
        old = history[sampled]
        history[replaced] = images
        return old

    def ours(images: Tensor, history: Tensor, state: Tensor, backend: str) -> Tensor:
        return history_exchange_(history, images, state, backend=backend)

    inputs = (fresh, history, torch.tensor([1, 0], device=scene.device))
    work = Work(half, (Pass(bytes=4 * _bytes(fresh)),))
    return Operation("history_exchange", inputs, plain, ours, work)


def _bytes(x: Tensor) -> int:
    return x.numel() * x.element_size()
