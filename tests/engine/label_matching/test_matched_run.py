"""A run with matched labels: what it leaves, and that it resumes to the same bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import assert_same_run
from tiny import TINY, tiny_images

from simgan.engine.data.batches import Batches, WeightedOrder
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import CheckpointError
from simgan.engine.run_state import order_name
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
    weights.write_bytes(b"")
    with pytest.raises(CheckpointError, match="label weights cannot be read"):
        resume(result.run, steps=6)
    weights.unlink()
    with pytest.raises(CheckpointError, match="label weights cannot be read"):
        resume(result.run, steps=6)


def test_a_run_that_ended_before_its_weights_were_written_finds_them(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    config = json.loads((whole.run / "config.json").read_bytes())
    begun = tmp_path / "begun"
    for name in ("checkpoints", "samples"):
        (begun / name).mkdir(parents=True)
    (begun / "config.json").write_text(json.dumps({**config, "out": str(begun)}))
    assert_same_run(resume(begun), whole)
    assert (begun / "label-match.npz").is_file()


def test_a_path_of_weights_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.arange(COUNT))
    result = run(tmp_path / "a", match_labels="w.npy")
    config = json.loads((result.run / "config.json").read_bytes())
    assert config["match_labels"] == str(tmp_path / "w.npy")


def test_streaming_and_a_rollback_keep_to_the_weights() -> None:
    weights = np.array([0.0, 1, 2, 0, 5, 0, 0, 1, 3, 0, 0])
    images = tiny_images(11, 4)
    array = ImageArray(images, list("abcdefghijk"), {}, (0.0, 255.0), "print", "npz", "here")
    drawn = []
    for resident in (True, False):
        batches = Batches(array, seed=3, name="x", device=torch.device("cpu"), resident=resident)
        batches.order = WeightedOrder(weights, 3, "synthetic")
        parts = [batches.next(4) for _ in range(6)]
        batches.position = 5
        batches.order.name = order_name("synthetic", 1)
        batches.order.forget()
        drawn.append(torch.cat([*parts, batches.next(30)]))
        batches.close()
    assert drawn[0].equal(drawn[1])
    order = WeightedOrder(weights, 3, order_name("synthetic", 1))
    assert weights[order.slice(0, 300).numpy()].min() > 0
    assert not order.slice(0, 50).equal(WeightedOrder(weights, 3, "synthetic").slice(0, 50))
