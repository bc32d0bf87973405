"""When two runs are the same: every bit of their last checkpoints and every row of metrics."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from simgan.engine.trainer import RunResult

TIMINGS = ("images_per_s", "eta_s", "data_wait", "look_s")


def metric_rows(run: Path) -> list[dict[str, Any]]:
    """The rows of a run without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in TIMINGS}
        for line in lines
    ]


def assert_same_state(found: RunResult, expected: RunResult) -> None:
    """Every bit of weights, optimizers and history, and the places in the data."""
    for name in ("refiner", "discriminator", "optim_r", "optim_d", "history"):
        file = f"{name}.safetensors"
        assert (found.checkpoint / file).exists() == (expected.checkpoint / file).exists()
        if not (expected.checkpoint / file).exists():
            continue
        theirs, ours = load_file(expected.checkpoint / file), load_file(found.checkpoint / file)
        assert ours.keys() == theirs.keys()
        for key, tensor in theirs.items():
            assert ours[key].equal(tensor), f"{name}: {key}"
    states = [json.loads((its.checkpoint / "state.json").read_bytes()) for its in (found, expected)]
    for key in ("step", "attempt", "position"):
        assert states[0][key] == states[1][key]


def assert_same_run(found: RunResult, expected: RunResult) -> None:
    """The same state in the end, and the same metrics on the way."""
    assert_same_state(found, expected)
    assert metric_rows(found.run) == metric_rows(expected.run)
