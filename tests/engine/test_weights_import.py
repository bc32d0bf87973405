"""Weights from elsewhere become a refiner; anything else is refused, and nothing is ever run."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from simgan.cli.import_weights import command
from simgan.engine.discriminator import Discriminator
from simgan.engine.errors import CheckpointError, ConfigError
from simgan.engine.refiner import Refiner
from simgan.engine.weights_import import import_weights


def foreign(refiner: Refiner, prefix: str = "") -> "OrderedDict[str, Tensor]":
    """The weights under names of somebody else, in the order of the layers."""
    renamed: OrderedDict[str, Tensor] = OrderedDict()
    for index, (name, tensor) in enumerate(refiner.state_dict().items()):
        # Backwards names: only the order may decide.
        renamed[f"{prefix}layer{99 - index // 2}.{name.rpartition('.')[2]}"] = tensor
    return renamed


def saved(folder: Path, value: Any) -> Path:
    path = folder / "weights.pt"
    torch.save(value, path)
    return path


def assert_same(path: Path, refiner: Refiner) -> None:
    loaded = Refiner.load(path)
    assert loaded.shape == refiner.shape
    images = torch.rand(2, refiner.shape.channels, 9, 11) * 2 - 1
    with torch.no_grad():
        assert torch.equal(loaded(images), refiner(images))


@pytest.mark.parametrize("nesting", ["plain", "nested", "prefixed", "beside-discriminator"])
def test_a_foreign_refiner_computes_the_same_after_import(nesting: str, tmp_path: Path) -> None:
    refiner = Refiner(3, width=4, blocks=2, kernel=5)
    other = Discriminator(3).state_dict()
    value = {
        "plain": foreign(refiner),
        "nested": {"epoch": 3, "state_dict": foreign(refiner)},
        "prefixed": {**foreign(refiner, "G."), **{f"D.{key}": item for key, item in other.items()}},
        "beside-discriminator": {"D": other, "G": foreign(refiner), "lr": 1e-3},
    }[nesting]
    found = import_weights(saved(tmp_path, value), tmp_path / "out.safetensors")
    assert found.parameters == sum(parameter.numel() for parameter in refiner.parameters())
    assert_same(found.path, refiner)


def test_the_output_activation_is_the_users_word(tmp_path: Path) -> None:
    refiner = Refiner(width=4, blocks=1, output_activation="none")
    path = saved(tmp_path, foreign(refiner))
    import_weights(path, tmp_path / "out.safetensors", output_activation="none")
    assert_same(tmp_path / "out.safetensors", refiner)


def test_the_padding_is_the_users_word(tmp_path: Path) -> None:
    from click.testing import CliRunner

    refiner = Refiner(width=4, blocks=1, padding="replicate")
    path = saved(tmp_path, foreign(refiner))
    CliRunner().invoke(command, [str(path), "--padding", "replicate"], catch_exceptions=False)
    assert_same(path.with_suffix(".safetensors"), refiner)


class Payload:
    """A pickle that makes a file when somebody trusts it."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.canary),)


def test_code_in_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = saved(tmp_path, {"weights": foreign(Refiner(width=2, blocks=0)), "x": Payload(canary)})
    with pytest.raises(CheckpointError, match="cannot be read as tensors only"):
        import_weights(path, tmp_path / "out.safetensors")
    assert not canary.exists()
    assert not (tmp_path / "out.safetensors").exists()
    torch.load(path, weights_only=False)
    assert canary.exists(), "the payload was live"


def normalized() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Discriminator().state_dict(), "holds no refiner"),
        (normalized().state_dict(), "holds no refiner"),
        ({"epoch": 3}, "holds no refiner"),
        ({"a": foreign(Refiner(width=2)), "b": foreign(Refiner(width=3))}, "holds 2 refiners"),
    ],
    ids=["discriminator", "batch-norm", "no-tensors", "two"],
)
def test_what_is_no_refiner_is_refused(value: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        import_weights(saved(tmp_path, value), tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pt"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04garbage"])
def test_garbage_is_refused_politely(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as tensors only") as info:
        import_weights(path, tmp_path / "out.safetensors")
    assert info.value.fix is not None and "\n" not in info.value.what


def test_the_output_is_never_overwritten(tmp_path: Path) -> None:
    path = saved(tmp_path, foreign(Refiner(width=2)))
    (tmp_path / "out.safetensors").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="already exists"):
        import_weights(path, tmp_path / "out.safetensors")
    with pytest.raises(ConfigError, match=r"must end in \.safetensors"):
        import_weights(path, tmp_path / "out.pt")
    with pytest.raises(CheckpointError, match="does not exist"):
        import_weights(tmp_path / "none.pt", tmp_path / "new.safetensors")


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    from click.testing import CliRunner

    path = saved(tmp_path, foreign(Refiner(width=4, blocks=1)))
    result = CliRunner().invoke(command, [str(path)], catch_exceptions=False)
    target = path.with_suffix(".safetensors")
    assert result.output.splitlines() == [
        f"wrote {target}: refiner of 341 parameters (channels 1, width 4, blocks 1, kernel 3)",
        f"next: simgan-engine refine --checkpoint {target} --input IMAGES --output DIR",
    ]
    assert Refiner.load(target).shape.width == 4
