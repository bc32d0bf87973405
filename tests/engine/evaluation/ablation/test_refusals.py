"""What an ablation refuses: settings, sets and folders, each with its own sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_ablation import Calls, settings
from tiny_evaluate import eye_images, save

from simgan.engine import ablate
from simgan.engine.errors import CheckpointError, ConfigError, DataError, LockedError
from simgan.engine.process_lock import hold


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def test_the_folder_of_another_ablation_is_refused(tmp_path: Path, calls: Calls) -> None:
    ablate(settings(tmp_path))
    with pytest.raises(ConfigError, match="holds an ablation of other settings") as info:
        ablate(settings(tmp_path, lr=0.01, real="procedural:camera?count=21&seed=2"))
    assert info.value.where == "other real images; lr 0.001 there, 0.01 here"


def test_a_folder_of_something_else_is_refused(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no ablation"):
        ablate(settings(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} <= {"thesis.txt", "LOCK"}


def test_two_processes_do_not_share_a_folder(tmp_path: Path, calls: Calls) -> None:
    with hold(tmp_path / "LOCK", tmp_path), pytest.raises(LockedError, match="is in use"):
        ablate(settings(tmp_path))


def test_weights_that_changed_are_not_measured(tmp_path: Path, calls: Calls) -> None:
    ablate(settings(tmp_path))
    file = tmp_path / "weights" / "base-seed0" / "step-00000001.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    ablate(settings(tmp_path))  # nothing to measure
    with pytest.raises(CheckpointError, match=r"step-00000001.safetensors is damaged"):
        ablate(settings(tmp_path, estimator_steps=3))


def test_a_damaged_record_is_named(tmp_path: Path, calls: Calls) -> None:
    ablate(settings(tmp_path))
    record = tmp_path / "records" / "base-seed0.json"
    record.write_text(record.read_text()[:-20])
    with pytest.raises(CheckpointError, match=r"base-seed0.json is damaged"):
        ablate(settings(tmp_path))


def faults(folder: Path) -> list[tuple[dict[str, Any], str]]:
    camera = "procedural:camera?count=20&seed=2"
    save(folder / "no-labels.npz", gaze=None)
    save(folder / "short.npz", count=8)
    np.savez(folder / "mixed.npz", images=eye_images(88), gaze=np.full((88, 2), np.nan))
    return [
        ({"test": None}, "--test is missing"),
        ({"real": None}, "--real is missing"),
        ({"test": str(folder / "no-labels.npz")}, "no-labels"),
        ({"test": str(folder / "short.npz")}, "the test set has 8 images, at least 10 are needed"),
        ({"synthetic": str(folder / "no-labels.npz")}, "no-labels"),
        ({"synthetic": str(folder / "mixed.npz")}, "gaze"),
        ({"test": camera}, "20 test images are also in the real set"),
        ({"arms": "data", "synthetic": "procedural:synthetic?count=79"}, "79 images, the arm data"),
        ({"test": "nowhere"}, "nowhere does not exist"),
        ({"seeds": 2, "history_capacity": 1}, "history_capacity must be at least"),
    ]


@pytest.mark.parametrize("number", range(10))
def test_what_cannot_be_used_is_said_before_anything_is_written(
    tmp_path: Path, number: int
) -> None:
    changes, sentence = faults(tmp_path)[number]
    with pytest.raises((ConfigError, DataError)) as info:
        ablate(settings(tmp_path / "out", **changes))
    assert sentence in str(info.value)
    assert not (tmp_path / "out").exists()
