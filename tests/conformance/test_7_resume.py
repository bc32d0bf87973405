"""Bug 8 of public implementations: what comes after a resume is not what would have come."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    assert_resume_is_exact(tmp_path)


def test_resume_is_exact_with_loss_scalers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16: the scale and the steps since it last changed decide which updates are skipped."""
    monkeypatch.setattr("simgan.engine.precision._amp_dtype", lambda device: torch.float16)
    assert_resume_is_exact(tmp_path, amp=True)
    state = json.loads((tmp_path / "parts/run/checkpoints/step-00000008/state.json").read_bytes())
    assert state["scaler"]["refiner"]["scale"] < 2**16, "no update was skipped"
    assert state["scaler"]["refiner"]["_growth_tracker"] > 0, "every update was skipped"


def assert_resume_is_exact(folder: Path, **changes: Any) -> None:
    whole = train(tiny_config(folder / "whole", steps=8, **changes))
    first = train(tiny_config(folder / "parts", steps=4, **changes))
    parts = resume(first.run, steps=8)
    for name in ("refiner", "discriminator", "optim_r", "optim_d", "history"):
        expected = load_file(whole.checkpoint / f"{name}.safetensors")
        found = load_file(parts.checkpoint / f"{name}.safetensors")
        assert found.keys() == expected.keys()
        assert expected, f"{name} is empty"
        for key, tensor in expected.items():
            assert found[key].equal(tensor), f"{name}: {key}"
    states = [json.loads((run.checkpoint / "state.json").read_bytes()) for run in (whole, parts)]
    for key in ("step", "position", "scaler"):
        assert states[0][key] == states[1][key]


def test_the_checkpoint_holds_everything_a_run_is(tmp_path: Path) -> None:
    result = train(tiny_config(tmp_path, steps=4))
    names = {path.name for path in result.checkpoint.iterdir()}
    stems = ("refiner", "discriminator", "optim_r", "optim_d", "history", "metrics")
    assert names == {f"{stem}.safetensors" for stem in stems} | {"state.json", "manifest.json"}
    state = json.loads((result.checkpoint / "state.json").read_bytes())
    assert state["step"] == 4
    assert state["position"]["real"] > 0
    assert "slots" in load_file(result.checkpoint / "history.safetensors")
