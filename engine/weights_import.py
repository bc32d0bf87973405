"""Weights from elsewhere: a .pt file becomes a refiner in safetensors; no code in it is run.

A child process reads the file with `weights_only=True` and hands over nothing but tensors. This
is the only place that ever opens a pickle.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

from simgan.engine.durable import replace_file
from simgan.engine.errors import CheckpointError, ConfigError
from simgan.engine.refiner import Refiner, RefinerShape, refiner_header
from simgan.kernels.residual_block import Padding

CHILD_LIMIT_S = 300
SEPARATOR = "\n"  # between the index, group and name of a tensor in the child's file

Named = list[tuple[str, Tensor]]


@dataclass(frozen=True)
class ImportedRefiner:
    """Where the refiner was written, and what it is."""

    path: Path
    shape: RefinerShape
    parameters: int


def import_weights(
    path: str | Path,
    out: str | Path,
    *,
    output_activation: Literal["tanh", "none"] = "tanh",
    padding: Padding = "zeros",
) -> ImportedRefiner:
    """Convert a state dict saved by `torch.save` to a .safetensors file that `Refiner.load` reads.

    The file may hold the refiner alone, or nested in a dictionary beside other things. Layers are
    told by shape and order, so their names do not matter: a convolution to `width` features, pairs
    of convolutions width to width, a 1x1 convolution back.

    Args:
        path: a .pt, .pth, .ckpt or .bin file.
        out: .safetensors file to write; must not exist.
        output_activation: last operation of the network, which weights do not tell.
        padding: how its convolutions continue an image, which weights do not tell either.
    Raises:
        ConfigError: `out` exists or is no .safetensors file.
        CheckpointError: the file is unreadable, holds more than tensors, or holds no such refiner.
    """
    path, out = Path(path), Path(out)
    if out.suffix != ".safetensors" or out.exists():
        reason = "already exists" if out.exists() else "must end in .safetensors"
        raise ConfigError(f"output {out} {reason}")
    if not path.is_file():
        raise CheckpointError(f"{path} {'is not a file' if path.exists() else 'does not exist'}")
    groups = _read_in_child(path)
    fits = [found for found in map(_fit, _candidates(groups)) if found is not None]
    if len(fits) != 1:
        raise CheckpointError(
            f"{path} holds {'no refiner' if not fits else f'{len(fits)} refiners'}",
            where=f"{sum(map(len, groups))} tensors: {_summary(groups)}",
            fix="Save the state dict of one plain SimGAN refiner with torch.save, and import that.",
        )
    shape, state = fits[0]
    refiner = Refiner(
        shape.channels,
        shape.width,
        shape.blocks,
        shape.kernel,
        output_activation,
        padding=padding,
    )
    refiner.load_state_dict(state)
    replace_file(out, safetensors.torch.save(refiner.state_dict(), refiner_header(refiner)))
    count = sum(parameter.numel() for parameter in refiner.parameters())
    return ImportedRefiner(out, refiner.shape, count)


def _read_in_child(path: Path) -> list[Named]:
    """The dictionaries of tensors in a pickle, each in its own order."""
    with tempfile.TemporaryDirectory(prefix="simgan-import-") as folder:
        handed_over = Path(folder) / "tensors.safetensors"
        # -P: a torch.py beside the user's file must not be imported.
        arguments = [sys.executable, "-P", "-m", __name__, str(path.resolve()), str(handed_over)]
        try:
            child = subprocess.run(
                arguments, capture_output=True, text=True, timeout=CHILD_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise CheckpointError(f"{path} took longer than {CHILD_LIMIT_S} s to read") from None
        if child.returncode != 0:
            raise CheckpointError(
                f"refusing {path}: it cannot be read as tensors only",
                fix="Save the refiner's state dict with torch.save, and import that.",
            )
        tensors = safetensors.torch.load_file(handed_over)
    rows = [(key.split(SEPARATOR, 2), tensors[key]) for key in sorted(tensors)]
    parted = groupby(rows, key=lambda row: row[0][1])
    return [[(words[2], tensor) for words, tensor in group] for _, group in parted]


def _candidates(groups: list[Named]) -> Iterator[Named]:
    """Each dictionary whole, and by the first part of its names ("refiner.conv.weight")."""
    for group in groups:
        prefixes = list(dict.fromkeys(name.partition(".")[0] for name, _ in group))
        yield group
        for prefix in prefixes:
            part = [(name, tensor) for name, tensor in group if name.startswith(prefix + ".")]
            if 0 < len(part) < len(group):
                yield part


def _fit(tensors: Named) -> tuple[RefinerShape, dict[str, Tensor]] | None:
    """Shape and state dict of the refiner these tensors are, or None."""
    values = [tensor for _, tensor in tensors]
    weights, biases = values[0::2], values[1::2]
    blocks, odd = divmod(len(weights) - 2, 2)
    if blocks < 0 or odd or len(weights) != len(biases):
        return None
    if any(w.dim() != 4 or b.shape != w.shape[:1] for w, b in zip(weights, biases, strict=True)):
        return None
    width, channels, kernel, _ = weights[0].shape
    expected = [
        (width, channels, kernel, kernel),
        *[(width, width, kernel, kernel)] * (2 * blocks),
        (channels, width, 1, 1),
    ]
    if channels not in (1, 3) or [tuple(w.shape) for w in weights] != expected or kernel % 2 == 0:
        return None
    inner = [f"blocks.{block}.conv{half}" for block in range(blocks) for half in (1, 2)]
    state = {}
    for name, weight, bias in zip(["conv_in", *inner, "conv_out"], weights, biases, strict=True):
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.float(), bias.float()
    return RefinerShape(channels=channels, width=width, blocks=blocks, kernel=kernel), state


def _summary(groups: list[Named]) -> str:
    shown = [f"{name} {tuple(tensor.shape)}" for group in groups for name, tensor in group]
    return ", ".join(shown[:4]) + (", ..." if len(shown) > 4 else "")


def _tensor_groups(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dictionary in a loaded file that holds tensors, with the keys that lead to it."""
    if not isinstance(value, dict):
        return
    tensors = {str(key): item for key, item in value.items() if isinstance(item, Tensor)}
    if tensors:
        yield place, tensors
    for key, item in value.items():
        yield from _tensor_groups(item, f"{place}/{key}")


def _child(source: str, target: str) -> None:
    """Read `source` and write its tensors, copied, in order, to the safetensors file `target`."""
    loaded = torch.load(source, map_location="cpu", weights_only=True)
    flat: dict[str, Tensor] = {}
    for place, tensors in _tensor_groups(loaded):
        for name, tensor in tensors.items():
            key = SEPARATOR.join((f"{len(flat):08d}", place, name))
            flat[key] = tensor.detach().clone().contiguous()
    safetensors.torch.save_file(flat, target)


if __name__ == "__main__":
    _child(*sys.argv[1:])
