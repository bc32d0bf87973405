"""Refining on a GPU gives the images that refining on a CPU gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_refine import make_run, random_images

from simgan.engine.refining import refine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        pytest.param({}, 1, id="float32"),
        pytest.param({"channels_last": True}, 1, id="channels_last"),
        pytest.param({"amp": True, "channels_last": True}, 4, id="amp-channels_last"),
        pytest.param({"compile": True}, 1, id="compile", marks=pytest.mark.slow),
    ],
)
def test_refined_bytes_on_cuda_are_those_of_the_cpu_up_to_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], steps: int
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    run = make_run(tmp_path)
    source = tmp_path / "images.npy"
    np.save(source, random_images(9, 35, 55, 1))
    values = {"run": str(run), "input": str(source), "batch": 4}
    refine({**values, "device": "cpu", "output": str(tmp_path / "cpu.npy")})
    refine({**values, "device": "cuda", "output": str(tmp_path / "cuda.npy"), **changes})
    on_cpu = np.load(tmp_path / "cpu.npy").astype(int)
    on_gpu = np.load(tmp_path / "cuda.npy").astype(int)
    assert on_cpu.std() > 1
    assert np.abs(on_gpu - on_cpu).max() <= steps
