"""The inputs on which every op is tested, and what each op must equal, written in plain torch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from simgan.kernels import (
    patch_cross_entropy,
    refiner_loss,
    residual_block,
    self_regularization,
)
from simgan.kernels.dispatch import available_backends, backend_dtypes
from simgan.kernels.residual_block import Padding

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LAYOUTS = ("contiguous", "channels_last", "sliced")


@dataclass(frozen=True)
class OpCase:
    """One op on one set of inputs.

    make: seed -> the floating inputs in float64, all of them differentiable.
    refused_by: backends that cannot take these shapes or this padding.
    run: (inputs, backend) -> the op's result. plain: inputs -> the same by well-known torch calls.
    """

    op: str
    label: str
    make: Callable[[int], list[Tensor]]
    run: Callable[[list[Tensor], str | None], Tensor]
    plain: Callable[[list[Tensor]], Tensor]
    refused_by: tuple[str, ...] = ()
    padding: Padding = "zeros"  # of the residual block

    @property
    def backends(self) -> list[str]:
        return [name for name in runs_on(self.op) if name not in self.refused_by]

    def tolerance(self, backend: str, dtype: torch.dtype) -> float:
        """Error allowed beside twice that of plain torch, relative to the largest true value."""
        # Two last places of the dtype: plain torch may hit the truth by luck, no rule may ask that.
        # Winograd's transforms lose more: measured on an x86-64 CPU over the cases here and 64
        # channels at 35x55, with all three instruction sets, up to 12 last places (1.4e-6) where
        # plain torch loses 2 to 6.
        places = 12 if (self.op, backend) == ("residual_block", "cpp") else 2
        return places * torch.finfo(dtype).eps

    def widest_dtype(self, backend: str) -> torch.dtype:
        """float32 where the backend takes it."""
        return dtypes_of(self.op, backend)[0]

    @property
    def id(self) -> str:
        return f"{self.op}-{self.label}"

    def inputs(self, dtype: torch.dtype, layout: str = "contiguous", seed: int = 0) -> list[Tensor]:
        return [laid_out(t.to(DEVICE, dtype), layout) for t in self.make(seed)]


def laid_out(tensor: Tensor, layout: str) -> Tensor:
    """The same values in another memory layout; only 4-D tensors have more than one."""
    if tensor.dim() != 4 or layout == "contiguous":
        return tensor.contiguous()
    if layout == "channels_last":
        return tensor.contiguous(memory_format=torch.channels_last)
    wide = torch.full((*tensor.shape[:-1], 2 * tensor.shape[-1]), float("nan")).to(tensor)
    wide[..., ::2] = tensor
    return wide[..., ::2]


def with_gradients(inputs: list[Tensor]) -> list[Tensor]:
    """Leaves of the same layout that ask for a gradient."""
    return [tensor.detach().requires_grad_() for tensor in inputs]


def value_and_gradients(
    run: Callable[[list[Tensor]], Tensor], inputs: list[Tensor]
) -> list[Tensor]:
    """The result and its gradients by every input, for one fixed random cotangent."""
    leaves = with_gradients(inputs)
    result = run(leaves)
    generator = torch.Generator().manual_seed(7)
    cotangent = torch.rand(result.shape, generator=generator, dtype=torch.float64) + 0.5
    gradients = torch.autograd.grad(result, leaves, cotangent.to(result))
    return [result.detach(), *gradients]


def _random(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def _patches(images: int, rows: int, columns: int, target: int, scale: float) -> OpCase:
    def plain(inputs: list[Tensor]) -> Tensor:
        (logits,) = inputs
        classes = torch.full((images, rows, columns), target, device=logits.device)
        return F.cross_entropy(logits, classes, reduction="sum") / images

    return OpCase(
        op="patch_cross_entropy",
        label=f"N{images}-{rows}x{columns}-target{target}-scale{scale:g}",
        make=lambda seed: [_random(images, 2, rows, columns, seed=seed, scale=scale)],
        run=lambda inputs, backend: patch_cross_entropy(inputs[0], target, backend=backend),
        plain=plain,
    )


def _pairs(images: int, channels: int, height: int, width: int) -> OpCase:
    shape = (images, channels, height, width)
    return OpCase(
        op="self_regularization",
        label="N" + "x".join(map(str, shape)),
        make=lambda seed: [_random(*shape, seed=seed), _random(*shape, seed=seed + 1)],
        run=lambda inputs, backend: self_regularization(*inputs, backend=backend),
        plain=lambda inputs: F.l1_loss(*inputs, reduction="sum") / images,
    )


def _refining(images: int, rows: int, columns: int, channels: int, size: int) -> OpCase:
    """Eq. 4; the target gets no gradient, so it is no input. Its eighths are exact in any dtype."""
    lambda_reg, shape = 0.3, (images, channels, size, size + 2)
    target = _random(*shape, seed=9, scale=8.0).round() / 8

    def plain(inputs: list[Tensor]) -> Tensor:
        logits, refined = inputs
        classes = torch.zeros((images, rows, columns), device=logits.device, dtype=torch.long)
        realism = F.cross_entropy(logits, classes, reduction="sum") / images
        distance = F.l1_loss(refined, target.to(refined), reduction="sum") / images
        return realism + lambda_reg * distance

    return OpCase(
        op="refiner_loss",
        label=f"N{images}-{rows}x{columns}-{channels}x{size}x{size + 2}",
        make=lambda seed: [
            _random(images, 2, rows, columns, seed=seed, scale=3.0),
            _random(*shape, seed=seed + 1),
        ],
        run=lambda inputs, backend: refiner_loss(
            *inputs, target.to(inputs[1]), lambda_reg, backend=backend
        )[0],
        plain=plain,
    )


def plain_block(inputs: list[Tensor], padding: Padding) -> Tensor:
    """The residual block by torch's own calls: x, weight1, bias1, weight2, bias2."""
    x, weight1, bias1, weight2, bias2 = inputs
    border = (weight1.shape[-1] // 2,) * 4
    mode = "replicate" if padding == "replicate" else "constant"
    hidden = F.relu(F.conv2d(F.pad(x, border, mode), weight1, bias1))
    return F.relu(F.conv2d(F.pad(hidden, border, mode), weight2, bias2) + x)


def _block(images: int, height: int, width: int, size: int, padding: Padding = "zeros") -> OpCase:
    channels = 16

    def make(seed: int) -> list[Tensor]:
        shape = (channels, channels, size, size)
        scale = 1.5 / (channels**0.5 * size)
        return [
            _random(images, channels, height, width, seed=seed),
            _random(*shape, seed=seed + 1, scale=scale),
            _random(channels, seed=seed + 2),
            _random(*shape, seed=seed + 3, scale=scale),
            _random(channels, seed=seed + 4),
        ]

    return OpCase(
        op="residual_block",
        label=f"N{images}-{height}x{width}-k{size}" + f"-{padding}" * (padding != "zeros"),
        make=make,
        run=lambda inputs, backend: residual_block(*inputs, padding=padding, backend=backend),
        plain=lambda inputs: plain_block(inputs, padding),
        # "hopper" takes 64 channels and keeps other activations: trunk_cases.py has its cases.
        refused_by=("hopper",) if size == 3 and padding == "zeros" else ("cuda", "hopper"),
        padding=padding,
    )


CASES = [
    _patches(1, 1, 1, 0, 1.0),
    _patches(3, 5, 7, 1, 3.0),
    _patches(3, 13, 11, 0, 3.0),
    _patches(1, 9, 14, 1, 40.0),
    _patches(513, 2, 3, 0, 3.0),
    _pairs(1, 1, 1, 1),
    _pairs(3, 1, 35, 55),
    _pairs(3, 3, 7, 11),
    _pairs(513, 1, 5, 3),
    _refining(1, 1, 1, 1, 1),
    _refining(3, 5, 7, 3, 11),
    _refining(2, 9, 14, 1, 35),
    _refining(513, 1, 2, 1, 3),
    _block(1, 1, 1, 3),
    _block(3, 7, 5, 3),
    _block(1, 11, 13, 3),
    _block(1, 5, 7, 5),
    _block(2, 9, 6, 7),
    _block(1, 1, 1, 3, "replicate"),
    _block(3, 7, 5, 3, "replicate"),
    _block(1, 5, 7, 5, "replicate"),
    _block(2, 9, 6, 7, "replicate"),
]

# One of each op for the slow checks of its registration.
SMALL = [
    _patches(3, 5, 7, 1, 3.0),
    _pairs(3, 3, 7, 11),
    _refining(3, 5, 7, 3, 11),
    _block(2, 3, 5, 3),
    _block(2, 3, 5, 3, "replicate"),
]


def runs_on(op: str) -> list[str]:
    """Every backend of `op` that can run on this machine's test device."""
    return available_backends(op, DEVICE)


def dtypes_of(op: str, backend: str) -> list[torch.dtype]:
    """What a backend is tested in; Triton's interpreter gets a bfloat16 `tl.dot` silently wrong."""
    known = backend_dtypes(op, backend)
    interpreted = backend == "triton" and DEVICE == "cpu"
    return [
        dtype
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
        if dtype in known and not (interpreted and dtype is torch.bfloat16)
    ]
