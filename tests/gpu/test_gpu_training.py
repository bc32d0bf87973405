"""Training on a GPU does what training on a CPU does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_config, tiny_images

from simgan.engine.data.batches import Batches
from simgan.engine.data.packing import ImageArray
from simgan.engine.trainer import RunResult, resume, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
NETWORKS = ("refiner", "discriminator")


@pytest.fixture(autouse=True)
def full_float32() -> Iterator[None]:
    """TF32 multiplies with 10 bits; here both devices are to calculate alike."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def run_on(folder: Path, device: str, **changes: Any) -> RunResult:
    # Half a batch of history: whichever order the device draws, every update sees all of it.
    values = {"device": device, "history_capacity": 2, **changes}
    return train(tiny_config(folder, **values))


def weights(result: RunResult, network: str) -> torch.Tensor:
    tensors = load_file(result.checkpoint / f"{network}.safetensors")
    return torch.cat([tensors[name].double().flatten() for name in sorted(tensors)])


def distance(one: RunResult, other: RunResult, network: str) -> float:
    a, b = weights(one, network), weights(other, network)
    return float((a - b).norm() / b.norm())


def test_a_whole_training_on_cuda_equals_one_on_the_cpu(tmp_path: Path) -> None:
    changes = {"optimizer": "sgd", "lr": 1e-5}
    on_cpu = run_on(tmp_path / "cpu", "cpu", **changes)
    on_gpu = run_on(tmp_path / "cuda", "cuda", **changes)
    unchanged = run_on(tmp_path / "still", "cpu", optimizer="sgd", lr=1e-12)
    for network in NETWORKS:
        moved = distance(unchanged, on_cpu, network)
        assert distance(on_gpu, on_cpu, network) < 1e-3 * moved


def test_training_with_adam_on_cuda_stays_close_to_the_cpu(tmp_path: Path) -> None:
    on_cpu, on_gpu = run_on(tmp_path / "cpu", "cpu"), run_on(tmp_path / "cuda", "cuda")
    for network in NETWORKS:
        # Adam's first steps turn a gradient of rounding error into a full step.
        assert distance(on_gpu, on_cpu, network) < 1e-2


def test_resume_on_cuda_is_exact(tmp_path: Path) -> None:
    whole = train(tiny_config(tmp_path / "whole", steps=8, device="cuda"))
    first = train(tiny_config(tmp_path / "parts", steps=4, device="cuda"))
    parts = resume(first.run, steps=8)
    for name in (*NETWORKS, "optim_r", "optim_d", "history"):
        expected = load_file(whole.checkpoint / f"{name}.safetensors")
        found = load_file(parts.checkpoint / f"{name}.safetensors")
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            assert found[key].equal(tensor), f"{name}: {key}"


def test_a_run_from_a_gpu_goes_on_without_one(tmp_path: Path) -> None:
    run = train(tiny_config(tmp_path, device="cuda")).run
    settings = json.loads((run / "config.json").read_bytes())
    (run / "config.json").write_text(json.dumps({**settings, "device": "cpu"}))
    assert resume(run, steps=8).steps == 8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_streamed_batches_on_cuda_are_the_resident_ones_of_a_cpu(dtype: type[np.generic]) -> None:
    """Through pinned memory that is used again while copies are under way."""
    images = tiny_images(64, 4).astype(dtype) * (257 if dtype is np.uint16 else 1)
    limits = (0.0, float(np.iinfo(dtype).max))
    array = ImageArray(images, [str(i) for i in range(64)], {}, limits, "print", "npz", "here")
    devices = {"cpu": True, "cuda": False}
    resident, streamed = (
        Batches(array, seed=3, name="real", device=torch.device(device), resident=kept)
        for device, kept in devices.items()
    )
    try:
        found = [streamed.next(size) for size in [16, 8] * 40]
        for images_found in found:
            expected = resident.next(len(images_found))
            assert torch.allclose(images_found.cpu(), expected, rtol=0, atol=1e-6)
    finally:
        streamed.close()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"channels_last": True}, id="channels_last"),
        pytest.param({"amp": True}, id="amp"),
        pytest.param({"amp": True, "channels_last": True}, id="amp-channels_last"),
        pytest.param(
            {"compile": True, "deterministic": False}, id="compile", marks=pytest.mark.slow
        ),
    ],
)
def test_every_way_to_compute_trains_like_float32(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = run_on(tmp_path / "plain", "cuda", optimizer="sgd", lr=1e-5)
    other = run_on(tmp_path / "other", "cuda", optimizer="sgd", lr=1e-5, **changes)
    unchanged = run_on(tmp_path / "still", "cuda", optimizer="sgd", lr=1e-12)
    # bf16 keeps 8 bits: its gradients are off by some percent, a wrong one by about all.
    share = 0.05 if changes.get("amp") else 1e-3
    for network in NETWORKS:
        moved = distance(unchanged, plain, network)
        assert distance(other, plain, network) < share * moved
