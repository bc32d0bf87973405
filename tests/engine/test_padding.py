"""How the refiner continues an image beyond its border: what it computes, and where it is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from tiny import tiny_config
from tiny_refine import random_refiner

from simgan.engine.config import to_dict
from simgan.engine.errors import CheckpointError, ConfigError
from simgan.engine.observer import SilentObserver
from simgan.engine.refiner import Refiner, refiner_header
from simgan.engine.trainer import _check_settings, train
from simgan.kernels.dispatch import available_backends
from simgan.kernels.residual_block import Padding

CPU_BACKENDS = [
    name for name in available_backends("residual_block", "cpu") if name in ("reference", "cpp")
]


def averaging_refiner(padding: Padding, kernel: int, backend: str) -> Refiner:
    """Every convolution is a mean, so a constant image comes out as it went in."""
    refiner = Refiner(1, 16, 2, kernel, output_activation="none", backend=backend, padding=padding)
    with torch.no_grad():
        for parameter in refiner.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.dim() == 4 else 0)
        refiner.conv_out.weight /= 2 ** len(refiner.blocks)  # a block adds what came in
    return refiner.eval()


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_constant_image_gets_a_border_from_zeros_only(backend: str, kernel: int) -> None:
    image = torch.full((2, 1, 21, 26), 0.5)
    with torch.no_grad():
        replicated = averaging_refiner("replicate", kernel, backend)(image)
        zeros = averaging_refiner("zeros", kernel, backend)(image)
    # Measured: 7e-6, the sums of 784 rounded weights; a step of 8-bit images is 8e-3.
    torch.testing.assert_close(replicated, image, rtol=0, atol=5e-5)
    assert (zeros[..., 0, :] < 0.4).all() and (zeros[..., -1] < 0.4).all()


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_the_refiner_equals_its_plain_layers(padding: Padding) -> None:
    torch.manual_seed(3)
    refiner = Refiner(3, width=6, blocks=2, kernel=5, padding=padding).double()
    x = torch.randn(2, 3, 9, 11, dtype=torch.float64)
    h = refiner.conv_in(x).relu()
    for block in refiner.blocks:
        h = (block.conv2(block.conv1(h).relu()) + h).relu()  # type: ignore[operator]
    torch.testing.assert_close(refiner(x), refiner.conv_out(h).tanh())


def saved(folder: Path, refiner: Refiner, **header: Any) -> Path:
    """A file of weights whose header has other entries; one of None is left out."""
    shape = {**json.loads(refiner_header(refiner)["refiner"]), **header}
    shape = {name: value for name, value in shape.items() if value is not None}
    path = folder / "refiner.safetensors"
    safetensors.torch.save_file(refiner.state_dict(), path, {"refiner": json.dumps(shape)})
    return path


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_a_file_of_weights_keeps_the_padding(padding: Padding, tmp_path: Path) -> None:
    refiner = random_refiner(padding=padding)
    loaded = Refiner.load(saved(tmp_path, refiner))
    assert loaded.shape == refiner.shape and loaded.shape.padding == padding
    x = torch.rand(2, 1, 9, 11) * 2 - 1
    with torch.no_grad():
        assert torch.equal(loaded(x), refiner(x))


def test_a_file_from_before_the_choice_pads_with_zeros(tmp_path: Path) -> None:
    refiner = random_refiner()
    path = saved(tmp_path, refiner, padding=None)
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata()["refiner"] == (
            '{"channels": 1, "width": 4, "blocks": 1, "kernel": 3, "output_activation": "tanh"}'
        )
    loaded = Refiner.load(path)
    assert loaded.shape.padding == "zeros"
    x = torch.rand(2, 1, 9, 11) * 2 - 1
    with torch.no_grad():
        assert torch.equal(loaded(x), refiner(x))


def test_a_padding_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, random_refiner(), padding="reflect")
    with pytest.raises(CheckpointError, match="padding must be one of zeros, replicate"):
        Refiner.load(path)


def test_a_run_trains_and_keeps_what_was_asked_for(tmp_path: Path) -> None:
    ends = {}
    for padding in ("zeros", "replicate"):
        result = train(tiny_config(tmp_path / padding, padding=padding, steps=2))
        refiner = Refiner.load(result.run)
        assert refiner.shape.padding == padding
        ends[padding] = refiner.conv_in.weight
    assert not torch.equal(ends["zeros"], ends["replicate"])


def test_a_backend_that_cannot_replicate_leaves_no_run_folder(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, padding="replicate", backend="residual_block=cuda")
    with pytest.raises(ConfigError, match="cannot run residual_block here"):
        train(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("named", [True, False], ids=["named", "older-checkpoint"])
def test_a_run_cannot_change_its_padding(named: bool, tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    before = to_dict(config)
    if not named:
        del before["padding"]
    _check_settings(config, before, SilentObserver())
    changed = tiny_config(tmp_path, padding="replicate")
    with pytest.raises(CheckpointError, match="cannot change: padding: zeros -> replicate"):
        _check_settings(changed, before, SilentObserver())
