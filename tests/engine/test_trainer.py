"""What a training run leaves behind, what it refuses, and what it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny import TINY, tiny_config, tiny_data, tiny_images

from simgan.engine import algorithm
from simgan.engine import session as session_module
from simgan.engine.errors import CheckpointError, ConfigError, DataError, DeviceMemoryError
from simgan.engine.refiner import Refiner
from simgan.engine.trainer import resume, train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Images this small are computed faster by one thread than by two that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Listener:
    """Keeps everything that an observer is told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.ticks: list[dict[str, float]] = []
        self.said: list[str] = []

    def phase(self, name: str, total: int, done: int) -> None:
        self.phases.append((name, total, done))

    def tick(self, metrics: dict[str, float]) -> None:
        self.ticks.append(metrics)

    def message(self, text: str) -> None:
        self.said.append(text)

    def warning(self, text: str) -> None:
        self.said.append("Warning: " + text)


def test_a_run_leaves_weights_metrics_samples_and_its_settings(tmp_path: Path) -> None:
    result = train(tiny_config(tmp_path, tensorboard=True))
    assert result.steps == 6
    assert result.run == tmp_path / "run"
    assert result.checkpoint.name == "step-00000006"
    assert {path.name for path in (result.run / "samples").iterdir()} == {
        "step-00000004.png",
        "step-00000006.png",
    }
    assert json.loads((result.run / "config.json").read_bytes())["steps"] == 6
    assert set(result.metrics) >= {"refiner_loss", "discriminator_loss", "images_per_s"}
    image = torch.zeros(2, 1, 24, 28)
    assert Refiner.load(result.run)(image).shape == image.shape


def test_an_observer_hears_every_phase_and_tick(tmp_path: Path) -> None:
    listener = Listener()
    train(tiny_config(tmp_path), observer=listener)
    assert listener.phases == [
        ("pretrain-refiner", 3, 0),
        ("pretrain-discriminator", 2, 0),
        ("train", 6, 0),
    ]
    assert [tick["step"] for tick in listener.ticks] == [2, 3, 2, 2, 4, 6]
    assert any("lambda_reg 0.3 (losses: sum over" in text for text in listener.said)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        result = train(tiny_config(tmp_path / name, seed=seed))
        weights.append((result.checkpoint / "refiner.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(tiny_config(tmp_path, steps=1))
    assert torch.get_rng_state().equal(before)


def test_training_lowers_the_regularization_before_step_one(tmp_path: Path) -> None:
    listener = Listener()
    changes = {"pretrain_refiner_steps": 60, "log_every": 20, "steps": 0, "lr": 0.01}
    train(tiny_config(tmp_path, **changes), observer=listener)
    change = [tick["self_regularization"] for tick in listener.ticks[:3]]
    assert change[2] < 0.5 * change[0]


def test_a_finished_run_resumes_to_the_same_result(tmp_path: Path) -> None:
    first = train(tiny_config(tmp_path))
    again = resume(first.run)
    assert (again.steps, again.checkpoint) == (first.steps, first.checkpoint)


def test_no_steps_at_all_still_leave_a_run(tmp_path: Path) -> None:
    none = {"steps": 0, "pretrain_refiner_steps": 0, "pretrain_discriminator_steps": 0}
    assert train(tiny_config(tmp_path, **none)).checkpoint.name == "step-00000000"


@pytest.mark.parametrize("missing", ["synthetic", "real"])
def test_one_of_two_sets_is_not_enough(tmp_path: Path, missing: str) -> None:
    values: dict[str, Any] = {**TINY, **tiny_data(tmp_path / "data"), "out": str(tmp_path / "run")}
    values[missing] = None
    with pytest.raises(ConfigError, match=f"--{missing} is missing"):
        train(values)
    assert not (tmp_path / "run").exists()


def test_data_that_is_not_there_leaves_no_run_folder(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, synthetic=str(tmp_path / "nowhere.npz"))
    with pytest.raises(DataError, match=r"nowhere\.npz"):
        train(config)
    assert not (tmp_path / "run").exists()


def test_running_out_of_memory_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(algorithm, "refiner_step", full)
    with pytest.raises(DeviceMemoryError, match="batch 4 does not fit into the memory of cpu"):
        train(tiny_config(tmp_path))


def test_numbered_runs_are_made_below_the_root(in_tmp: Path) -> None:
    values = {**TINY, **tiny_data(in_tmp / "data"), "steps": 1}
    assert train(values).run == Path("runs/0001-gaze")
    assert train(values).run == Path("runs/0002-gaze")
    assert resume("runs/0001-gaze", steps=2).steps == 2


def test_a_run_is_not_trusted_to_name_a_file_that_can_run_code(tmp_path: Path) -> None:
    network = torch.nn.Conv2d(1, 2, 3)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(network, (torch.rand(4, 1, 24, 28),), dynamic_shapes=shapes)
    psi = tmp_path / "psi.pt2"
    torch.export.save(program, psi)
    run = train(tiny_config(tmp_path, feature_transform=str(psi), steps=2)).run
    with pytest.raises(CheckpointError, match=r"can run code: .*psi\.pt2"):
        resume(run, steps=3)
    with pytest.raises(CheckpointError, match="can run code"):
        resume(run, steps=3, feature_transform=str(tmp_path / "other.pt2"))
    assert resume(run, steps=3, feature_transform=str(psi)).steps == 3


def test_images_that_were_left_out_are_listed_in_the_run_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(tiny_images(9, 1)):
        Image.fromarray(image[:, :, 0]).save(folder / f"{index}.png")
    (folder / "torn.png").write_bytes((folder / "0.png").read_bytes()[:-30])
    listener = Listener()
    data = {"max_bad": 0.2}
    result = train(tiny_config(tmp_path, real=str(folder), data=data), observer=listener)
    listing = result.run / "data-problems.jsonl"
    (row,) = [json.loads(line) for line in listing.read_text().splitlines()]
    assert (row["set"], row["name"]) == ("real", "torn.png")
    assert row["reason"]
    sentence = f"Warning: real: skipped 1 of 10 images (10.0 %), list: {listing}"
    assert sentence in listener.said
    resumed = Listener()
    resume(result.run, steps=8, observer=resumed)
    assert sentence in resumed.said


def test_a_run_from_another_kind_of_device_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = session_module.snapshot_state
    gpu = {"device": "cuda", "scaler": {"refiner": {}, "discriminator": {}}}
    with monkeypatch.context() as patch:
        patch.setattr(session_module, "snapshot_state", lambda *its: {**snapshot(*its), **gpu})
        result = train(tiny_config(tmp_path))
    listener = Listener()
    assert resume(result.run, steps=8, observer=listener).steps == 8
    assert any("was made on cuda, this is cpu" in text for text in listener.said)


@pytest.mark.parametrize("kind", ["synthetic", "real"])
def test_a_run_folder_inside_the_images_is_refused(tmp_path: Path, kind: str) -> None:
    images = tmp_path / "images"
    images.mkdir()
    config = tiny_config(tmp_path, **{kind: str(images), "out": str(images / "sub" / "run")})
    with pytest.raises(ConfigError, match="the run folder must not be inside the input"):
        train(config)
    assert list(images.iterdir()) == []


def test_a_run_is_resumed_by_its_number_or_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = train(tiny_config(tmp_path, out=None, steps=2)).run
    assert run == Path("runs/0001-gaze")
    assert resume("1", steps=3).steps == 3
    assert resume("0001-gaze", steps=4).steps == 4
    with pytest.raises(CheckpointError, match="0002-gaze does not exist"):
        resume("0002-gaze")


def test_distant_ticks_are_bridged_by_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simgan.engine.clock.PULSE_S", 0.0)
    monkeypatch.setattr("simgan.engine.clock.LONG_S", 0.0)
    listener = Listener()
    train(tiny_config(tmp_path, log_every=100), observer=listener)
    steps = [int(tick["step"]) for tick in listener.ticks]
    assert steps == [1, 2, 3, 1, 2, 1, 2, 3, 4, 5, 6]
    assert "refiner_loss" in listener.ticks[2] and "refiner_loss" not in listener.ticks[0]
    assert sum("at this speed the run takes about" in said for said in listener.said) == 1
