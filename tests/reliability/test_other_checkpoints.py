"""Row 7: a checkpoint of other images, another version or other networks: exit code 4 and why."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import Zygote, newest, settings
from tiny import tiny_images

from simgan.engine.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def finished(zygote: Zygote, quick_root: Path) -> Path:
    folder = quick_root / "other"
    assert zygote.run(train=settings(folder, steps=2))[0] == 0
    return folder


@pytest.fixture
def run(finished: Path, quick_folder: Path) -> Path:
    """A copy of a finished run that uses a copy of its images."""
    copy = shutil.copytree(finished, quick_folder / "copy")
    config = copy / "run" / "config.json"
    config.write_text(config.read_text().replace(str(finished), str(copy)))
    return Path(copy / "run")


def resume(zygote: Zygote, run: Path) -> tuple[int, str]:
    return zygote.run(resume=[str(run), None])


def rewrite(run: Path, **changes: Any) -> None:
    """The newest checkpoint with other entries in state.json and hashes that hold."""
    old = load_checkpoint(newest(run))
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    state = {**old.state, **changes}
    save_checkpoint(run / "checkpoints", old.path.name, old.tensors, state)


def test_images_of_another_shape(zygote: Zygote, run: Path) -> None:
    data = run.parent / "data"
    for kind in ("synthetic", "real"):
        np.savez(data / f"{kind}.npz", images=tiny_images(9, 4, channels=3))
    code, text = resume(zygote, run)
    assert code == 4
    assert "checkpoint is for 1x24x28 images, data is 3x24x28" in text


def test_other_images_of_the_same_shape(zygote: Zygote, run: Path) -> None:
    np.savez(run.parent / "data" / "real.npz", images=tiny_images(9, 77))
    code, text = resume(zygote, run)
    assert code == 4
    assert "the real images are not those the run was trained on" in text


def test_another_version_of_the_format_is_named_and_left_alone(zygote: Zygote, run: Path) -> None:
    manifest = newest(run) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "schema": 2}))
    code, text = resume(zygote, run)
    assert code == 4
    assert "has checkpoint format 2, this version reads format 1" in text
    assert "Use the version of simgan-engine that wrote it." in text
    assert not list((run / "checkpoints").glob("*.bad"))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("width", 6, "width: 2 -> 6"),
        ("padding", "replicate", "padding: zeros -> replicate"),
        ("optimizer", "sgd", "optimizer: adam -> sgd"),
        ("history", False, "history: True -> False"),
        ("adversarial", "global", "adversarial: local -> global"),
    ],
)
def test_an_edited_setting_that_shapes_the_state(
    zygote: Zygote, run: Path, name: str, value: Any, told: str
) -> None:
    file = run / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), name: value}))
    code, text = resume(zygote, run)
    assert code == 4
    assert f"config.json differs from the checkpoint in what cannot change: {told}" in text


@pytest.mark.parametrize("content", ["[1, 2]", "{", "", "null"])
def test_settings_that_are_no_settings(zygote: Zygote, run: Path, content: str) -> None:
    (run / "config.json").write_text(content)
    code, text = resume(zygote, run)
    assert code == 4
    assert f"{run / 'config.json'} is damaged" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", "4"),
        ("step", -1),
        ("step", 1.5),
        ("threads", None),
        ("metrics_offset", 10**30),
        ("phase", ["train"]),
        ("position", {"synthetic": 4}),
        ("position", [1, 2]),
        ("image", "1x24x28"),
        ("config", None),
        ("scaler", []),
        ("image", {"channels": {}}),
        ("data", {}),
    ],
)
def test_a_state_of_the_wrong_types_is_damage_and_no_crash(
    zygote: Zygote, run: Path, name: str, value: Any
) -> None:
    rewrite(run, **{name: value})
    code, text = resume(zygote, run)
    assert code == 4, text
    assert "CheckpointError: " in text


def test_tensors_of_another_shape(zygote: Zygote, run: Path) -> None:
    old = load_checkpoint(newest(run))
    key = next(iter(old.tensors["discriminator"]))
    old.tensors["discriminator"][key] = old.tensors["discriminator"][key][:1].clone()
    shutil.rmtree(old.path)
    save_checkpoint(run / "checkpoints", old.path.name, old.tensors, old.state)
    code, text = resume(zygote, run)
    assert code == 4, text
    assert "does not fit this run" in text


def test_a_folder_that_is_no_run(zygote: Zygote, quick_folder: Path) -> None:
    code, text = resume(zygote, quick_folder)
    assert code == 4
    assert f"{quick_folder} is not a run folder: it has no config.json" in text
