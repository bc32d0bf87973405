"""What --backend asks for, and when it is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_config

from simgan.engine.errors import ConfigError
from simgan.engine.precision import Precision, pick_backends
from simgan.engine.trainer import train
from simgan.kernels.dispatch import BACKENDS

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
        ("fast", "must name one of cpp, cuda, reference, triton, got 'fast'"),
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
