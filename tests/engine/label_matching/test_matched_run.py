"""A run with matched labels: what it leaves, and that it resumes to the same bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import assert_same_run
from tiny import TINY, tiny_images

from simgan.engine.errors import CheckpointError
from simgan.engine.trainer import RunResult, resume, train

COUNT = 64


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(folder: Path, **changes: Any) -> RunResult:
    folder.mkdir()
    gaze = np.random.default_rng(0).uniform(-0.4, 0.4, (COUNT, 2))
    np.savez(folder / "synthetic.npz", images=tiny_images(COUNT, 1), gaze=gaze)
    np.savez(folder / "real.npz", images=tiny_images(9, 2))
    paths = {kind: str(folder / f"{kind}.npz") for kind in ("synthetic", "real")}
    values = {**TINY, **paths, "out": str(folder / "run"), "match_labels": "pitch=-30..10"}
    return train({**values, **changes})


def test_a_matched_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    part = run(tmp_path / "part", steps=4)
    assert_same_run(resume(part.run, steps=6), whole)
    report = json.loads((whole.run / "label-match.json").read_bytes())
    assert report["kind"] == "ranges" and report["images_kept"] < COUNT
    assert (whole.run / "label-match.npz").is_file()
    state = json.loads((whole.checkpoint / "state.json").read_bytes())
    assert len(state["label_match"]) == 32


def test_matching_changes_what_is_drawn(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", match_labels=None)
    matched = run(tmp_path / "matched")
    everything = run(tmp_path / "everything", match_labels="pitch=-90..90")
    assert_same_run(everything, plain)
    files = [(its.checkpoint / "refiner.safetensors").read_bytes() for its in (plain, matched)]
    assert files[0] != files[1]


def test_a_run_does_not_go_on_with_other_weights(tmp_path: Path) -> None:
    result = run(tmp_path / "a", steps=4)
    weights = result.run / "label-match.npz"
    np.savez(weights, weights=np.ones(COUNT))
    with pytest.raises(CheckpointError, match="weights of label matching are not those"):
        resume(result.run, steps=6)
    weights.unlink()
    with pytest.raises(CheckpointError, match="label weights cannot be read"):
        resume(result.run, steps=6)
