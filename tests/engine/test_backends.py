"""What --backend asks for, and when it is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_config

from simgan.engine.errors import ConfigError
from simgan.engine.precision import Precision, pick_backends
from simgan.engine.refiner import Refiner
from simgan.engine.refining.forward import steady_threads
from simgan.engine.trainer import train
from simgan.kernels.dispatch import BACKENDS, available_backends
from simgan.kernels.residual_block import Padding

CPU = Precision(torch.device("cpu"))


def test_a_bare_name_is_asked_of_every_op_that_has_it() -> None:
    assert pick_backends("reference", CPU) == dict.fromkeys(
        BACKENDS,
        "reference",
    )


def test_an_op_can_be_named() -> None:
    assert pick_backends("history_replace=reference", CPU) == {"history_replace": "reference"}


def test_nothing_asked_leaves_the_choice_open() -> None:
    assert pick_backends(None, CPU) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fast", "must name one of cpp, cuda, hopper, reference, triton, got 'fast'"),
        ("pooling=reference", "must name one of the ops .*, got 'pooling'"),
        ("cuda", "cannot run .* here"),
    ],
)
def test_what_cannot_be_met_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        pick_backends(text, CPU)


def test_a_refused_backend_leaves_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        train(tiny_config(tmp_path, backend="cuda"))
    assert not (tmp_path / "run").exists()


def test_training_reaches_the_same_weights_on_every_cpu_backend(tmp_path: Path) -> None:
    """One step each: later steps amplify the different rounding."""
    ends = []
    for name in ("reference", None):
        config = tiny_config(tmp_path / str(name), backend=name, steps=1, optimizer="sgd", lr=1e-4)
        checkpoint = train(config).checkpoint

        ends.append(load_file(checkpoint / "refiner.safetensors"))
    for name, weight in ends[0].items():
        torch.testing.assert_close(ends[1][name], weight, rtol=1e-4, atol=1e-6)


def test_a_backend_that_cannot_take_the_shapes_is_refused_before_the_run() -> None:
    refused = {"residual_block": {"reference": "it takes 3x3 kernels, got 7x7"}}
    with pytest.raises(ConfigError, match="cannot run residual_block here: it takes 3x3 kernels"):
        pick_backends("reference", CPU, refused)


needs_cpp = pytest.mark.skipif(
    "cpp" not in available_backends("residual_block", "cpu"), reason="no native module"
)


@needs_cpp
@pytest.mark.parametrize("padding", ["zeros", "replicate"])
@pytest.mark.parametrize(("channels", "kernel"), [(1, 3), (3, 3), (1, 7)])
def test_maps_are_laid_out_once_for_all_blocks(
    channels: int, kernel: int, padding: Padding
) -> None:
    torch.manual_seed(4)
    refiner = Refiner(channels, width=16, blocks=2, kernel=kernel, backend="cpp", padding=padding)
    seen = []
    for block in refiner.blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.rand(3, channels, 9, 11) * 2 - 1
    result = refiner(x)
    assert len(seen) == 2
    assert all(maps.is_contiguous(memory_format=torch.channels_last) for maps in seen)
    result.square().sum().backward()
    found = [weight.grad for weight in refiner.parameters()]
    refiner.zero_grad()
    refiner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    converted = refiner(x.contiguous(memory_format=torch.channels_last))
    assert torch.equal(converted, result)
    converted.square().sum().backward()
    for weight, gradient in zip(refiner.parameters(), found, strict=True):
        assert gradient is not None
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-5, atol=1e-5)


@needs_cpp
@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_fused_refining_does_not_depend_on_the_batch(padding: Padding) -> None:
    torch.manual_seed(4)
    refiner = Refiner(width=16, blocks=2, backend="cpp", padding=padding).eval()
    x = torch.rand(36, 1, 35, 55) * 2 - 1
    with torch.inference_mode(), steady_threads(torch.device("cpu")):
        whole = refiner(x)
        for size in (2, 4, 9, 18):  # never alone, as in refine: torch then takes another road
            assert torch.equal(torch.cat([refiner(part) for part in x.split(size)]), whole)
