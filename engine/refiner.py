"""R, the refiner: a fully convolutional residual network, no stride, pooling or normalization."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from simgan.engine.errors import CheckpointError
from simgan.kernels import residual_block, residual_trunk
from simgan.kernels.residual_block import (
    Block,
    Padding,
    calculates_in_channels_last,
    check_padding,
    convolve,
    runs_as_one,
)


@dataclass(frozen=True, kw_only=True)
class RefinerShape:
    """What must be known to build the same refiner again; stored with its weights.

    A file that names no padding is older than the choice: zeros.
    """

    channels: int = 1
    width: int = 64
    blocks: int = 4
    kernel: int = 3
    output_activation: Literal["tanh", "none"] = "tanh"
    padding: Padding = "zeros"


class ResidualBlock(nn.Module):
    """conv, relu, conv, + input, relu, as one fused operation (`simgan.kernels.residual_block`).

    Its parameters have the names of two plain convolutions, so weights move between
    implementations.

    Shapes: [N, C, H, W] -> [N, C, H, W].
    """

    def __init__(
        self,
        width: int,
        kernel: int = 3,
        backend: str | None = None,
        padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        self.conv1 = _same_size(width, width, kernel, padding)
        self.conv2 = _same_size(width, width, kernel, padding)
        self.backend = backend
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return residual_block(x, *self.tensors(), padding=self.padding, backend=self.backend)

    def tensors(self) -> Block:
        """The parameters as `residual_block` takes them."""
        return self.conv1.weight, _bias(self.conv1), self.conv2.weight, _bias(self.conv2)


def _same_size(inputs: int, outputs: int, kernel: int, padding: Padding) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode=padding)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


class Refiner(nn.Module):
    """The paper's refiner; the defaults are its gaze network, 296,129 parameters.

    conv k x k to `width` features, relu; `blocks` residual blocks; conv 1x1 back to the image's
    channels; tanh. Padding keeps the size, so any H and W are accepted. The tanh is not in the
    paper (every public implementation has it); `output_activation="none"` leaves it out. The paper
    does not say how it pads; its public implementations pad with zeros, which a refiner learns to
    tell from an image: borders turn brighter or darker. "replicate" gives it no border to see.

    Shapes: float [N, channels, H, W] in [-1, 1] -> the same.

    Args:
        channels: of the images, 1 or 3.
        width: features between the first and the last convolution.
        blocks: residual blocks.
        kernel: filter size, odd.
        output_activation: "tanh" or "none".
        padding: what every k x k convolution takes for the pixels beyond the border of its input:
            "zeros", or "replicate" for the nearest one.
        backend: of the residual blocks, see `simgan.kernels.dispatch`.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 64,
        blocks: int = 4,
        kernel: int = 3,
        output_activation: Literal["tanh", "none"] = "tanh",
        backend: str | None = None,
        *,
        padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        check_padding(padding)
        self.shape = RefinerShape(
            channels=channels,
            width=width,
            blocks=blocks,
            kernel=kernel,
            output_activation=output_activation,
            padding=padding,
        )
        self.conv_in = _same_size(channels, width, kernel, padding)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, kernel, backend, padding) for _ in range(blocks)
        )
        self.conv_out = nn.Conv2d(width, channels, 1)
        self.backend = backend

    def forward(self, x: Tensor) -> Tensor:
        shape, weight = self.shape, self.conv_in.weight
        last = shape.blocks > 0 and calculates_in_channels_last(
            x, shape.width, shape.kernel, self.backend, padding=shape.padding
        )
        if last:  # the layout of its weight is that of a convolution's result
            weight = weight.to(memory_format=torch.channels_last)
        x = F.relu(convolve(x, weight, self.conv_in.bias, shape.padding), inplace=True)
        if last:
            x = x.contiguous(memory_format=torch.channels_last)
        if shape.blocks > 0 and runs_as_one(x, shape.kernel, self.backend, padding=shape.padding):
            blocks = [cast(ResidualBlock, block).tensors() for block in self.blocks]
            x = residual_trunk(x, blocks, padding=shape.padding, backend=self.backend)
        else:
            for block in self.blocks:
                x = block(x)
        x = self.conv_out(x)
        return torch.tanh(x) if self.shape.output_activation == "tanh" else x

    @property
    def receptive_field(self) -> int:
        """Side of the input square that one output pixel sees, px (19 for the gaze network)."""
        return 1 + (self.shape.kernel - 1) * (1 + 2 * self.shape.blocks)

    @classmethod
    def load(cls, path: str | Path, backend: str | None = None) -> "Refiner":
        """The refiner of a run, a checkpoint folder or a .safetensors file.

        Of a run it is the best where the run has a rule to stop, else the newest, as in `refine`.
        Returns it on the CPU, in evaluation mode.

        Raises:
            CheckpointError: nothing is there, or it is damaged, unsafe or not a refiner.
        """
        from simgan.engine.best_checkpoint import read_best
        from simgan.engine.checkpoint import verified_file

        place = Path(path)
        best = read_best(place / "checkpoints")
        if best is not None:
            place = place / "checkpoints" / best.checkpoint
        return load_refiner_file(verified_file(place, "refiner.safetensors"), backend)


def load_refiner_file(path: Path, backend: str | None = None) -> Refiner:
    """The refiner in one .safetensors file, built from the shape in its header."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    try:
        refiner = Refiner(**json.loads(metadata["refiner"]), backend=backend)
        refiner.load_state_dict(tensors)
    except KeyError as error:
        raise CheckpointError(f"{path} holds no refiner: its header has no {error}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not fit the refiner its header describes: {error}"
        ) from error
    return refiner.eval()


def refiner_header(refiner: Refiner) -> dict[str, str]:
    """The safetensors header that `load_refiner_file` builds the network from."""
    return {"refiner": json.dumps(asdict(refiner.shape))}
