"""Steps replayed from a graph are the steps that were captured; a tape stands for the graph."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from repeated_ops import TapedGraph, tape_graphs
from same_run import assert_same_run, assert_same_state
from tiny import poison_a_weight, tiny_config

from simgan.engine.capture import WARM_UP, Capture
from simgan.engine.session import Session
from simgan.engine.trainer import resume, train

LONG = {
    "steps": 16,
    "pretrain_refiner_steps": 7,
    "pretrain_discriminator_steps": 8,
    "checkpoint_every": 6,
    "sample_every": 9,
    "log_every": 4,
}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="adam"),
        pytest.param({"optimizer": "sgd", "lr": 1e-5}, id="sgd"),
        pytest.param({"history": False}, id="no-history"),
        pytest.param({"k_g": 1, "k_d": 3}, id="k_d3"),
        pytest.param({"feature_transform": "derivative"}, id="derivative"),
        pytest.param({"feature_transform": "mean-channel", "channels_last": True}, id="mean"),
        pytest.param({"adversarial": "global"}, id="global"),
        pytest.param({"width": 16, "channels_last": True}, id="cpp-channels_last"),
    ],
)
def test_a_run_of_replayed_steps_is_the_run_of_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    expected = train(tiny_config(tmp_path / "steps", **LONG, **changes))
    graphs = tape_graphs(monkeypatch)
    found = train(tiny_config(tmp_path / "replays", **LONG, **changes))
    assert_same_run(found, expected)
    assert len(graphs) == 3, "one of each phase"
    # Until the history is full, and in the steps that warm up, nothing is replayed.
    filling = 0 if changes.get("history") is False else -(-6 // (2 * changes.get("k_d", 1)))
    assert [graph.replays for graph in graphs] == [
        LONG["pretrain_refiner_steps"] - WARM_UP,
        LONG["pretrain_discriminator_steps"] - WARM_UP,
        LONG["steps"] - WARM_UP - filling,
    ]


def test_a_resumed_run_of_replayed_steps_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(tiny_config(tmp_path / "steps", **{**LONG, "steps": 24}))
    tape_graphs(monkeypatch)
    parts = train(tiny_config(tmp_path / "replays", **{**LONG, "steps": 12}))
    graphs = tape_graphs(monkeypatch)
    # The end of a run is a tick of its own, so only the last state is that of the other run.
    found = resume(parts.run, steps=24)
    assert [graph.replays for graph in graphs] == [12 - WARM_UP]
    assert_same_state(found, expected)


def test_a_rollback_of_replayed_steps_captures_anew_with_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison_a_weight(monkeypatch, step=14)
    changes = {**LONG, "steps": 24}
    expected = train(tiny_config(tmp_path / "steps", **changes))
    graphs = tape_graphs(monkeypatch)
    found = train(tiny_config(tmp_path / "replays", **changes))
    assert_same_run(found, expected)
    assert json.loads((found.checkpoint / "state.json").read_bytes())["attempt"] == 1
    assert len(graphs) == 4, "one of each phase and one after the rollback"


def test_a_bad_step_is_named_though_it_was_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the step is counted on the device."""
    real = Session._step
    said: list[str] = []

    def poisoned(self: Session, phase: str) -> None:
        self.observer.warning = said.append  # type: ignore[method-assign]
        if phase == "train" and self.training.place.step == 12 and not said:
            with torch.no_grad():
                next(self.training.players.refiner.parameters()).view(-1)[0] = float("nan")
        real(self, phase)

    monkeypatch.setattr(Session, "_step", poisoned)
    tape_graphs(monkeypatch)
    train(tiny_config(tmp_path, **{**LONG, "log_every": 16}))
    assert said and said[0].startswith("non-finite refiner loss at step 13. Rolled back to step 12")


def test_the_python_of_a_step_runs_until_it_is_captured_and_again_for_a_new_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tape_graphs(monkeypatch)
    capture, ran, total = Capture(torch.device("cpu")), [], torch.zeros(())

    def step() -> None:
        ran.append(1)
        total.add_(1)

    for done in range(1, 10):
        capture(step, "a")
        assert float(total) == done
        assert capture.captured == (done > WARM_UP)
    assert len(ran) == WARM_UP + 1
    for done in range(10, 16):
        capture(step, "b")
        assert float(total) == done
    assert len(ran) == 2 * (WARM_UP + 1)


def test_the_tape_leaves_behind_what_a_step_keeps_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tape that could not tell would prove nothing."""
    tape_graphs(monkeypatch)
    capture, total, host = Capture(torch.device("cpu")), torch.zeros(()), [0]

    def step() -> None:
        host[0] += 1
        total.add_(host[0])

    for _ in range(WARM_UP + 3):
        capture(step, "a")
    assert float(total) < sum(range(1, WARM_UP + 4))
    assert isinstance(capture._graph, TapedGraph)
