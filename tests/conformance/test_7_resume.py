"""Bug 8 of public implementations: what comes after a resume is not what would have come."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_config

from simgan.engine.trainer import resume, train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Images this small are computed faster by one thread than by two that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_resume_is_exact(tmp_path: Path) -> None:
    """n steps, save, load, n steps: every bit of 2n steps."""
    whole = train(tiny_config(tmp_path / "whole", steps=8))
    first = train(tiny_config(tmp_path / "parts", steps=4))
    parts = resume(first.run, steps=8)
    for name in ("refiner", "discriminator", "optim_r", "optim_d", "history"):
        expected = load_file(whole.checkpoint / f"{name}.safetensors")
        found = load_file(parts.checkpoint / f"{name}.safetensors")
        assert found.keys() == expected.keys()
        assert expected, f"{name} is empty"
        for key, tensor in expected.items():
            assert found[key].equal(tensor), f"{name}: {key}"


def test_the_checkpoint_holds_everything_a_run_is(tmp_path: Path) -> None:
    result = train(tiny_config(tmp_path, steps=4))
    names = {path.name for path in result.checkpoint.iterdir()}
    stems = ("refiner", "discriminator", "optim_r", "optim_d", "history", "metrics")
    assert names == {f"{stem}.safetensors" for stem in stems} | {"state.json", "manifest.json"}
    state = json.loads((result.checkpoint / "state.json").read_bytes())
    assert state["step"] == 4
    assert state["position"]["real"] > 0
    assert "slots" in load_file(result.checkpoint / "history.safetensors")
