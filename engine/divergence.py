"""Losses and weights that are no longer finite: found, named, and the images of that step noted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from simgan.engine.durable import replace_file
from simgan.engine.run_folder import RunFolder
from simgan.engine.run_state import Training
from simgan.engine.step import Players


class Trouble(NamedTuple):
    """The first non-finite value: a sentence about it, and the 0-based step it came from."""

    sentence: str
    step: int


def find_trouble(training: Training) -> Trouble | None:
    """The first non-finite loss since the last look, else non-finite weights."""
    bad = training.metrics.first_bad()
    if bad is not None:
        source, step = bad
        return Trouble(f"non-finite {source} loss at step {step + 1:,}", step)
    if not weights_are_finite(training.players):
        step = training.place.step - 1
        return Trouble(f"non-finite weights at step {step + 1:,}", step)
    return None


def weights_are_finite(players: Players) -> bool:
    """Whether every parameter of both networks is finite."""
    sums = [
        parameter.detach().float().sum()
        for network in (players.refiner, players.discriminator)
        for parameter in network.parameters()
    ]
    return bool(torch.isfinite(torch.stack(sums)).all())


def save_image_names(
    training: Training, run: RunFolder, positions: Mapping[int, dict[str, int]], step: int
) -> Path:
    """Write the names of the images drawn in one step to the run's debug folder.

    Args:
        positions: of both image sets at the beginning of recent steps.
        step: 0-based.
    """
    now = {"synthetic": training.synthetic.position, "real": training.real.position}
    start, end = positions.get(step, now), positions.get(step + 1, now)
    names = {}
    for kind, batches in (("synthetic", training.synthetic), ("real", training.real)):
        index = batches.order.slice(start[kind], max(end[kind] - start[kind], 0))
        names[kind] = [batches.array.names[i] for i in index.tolist()]
    path = run.debug / f"{training.place.name}-images.json"
    run.debug.mkdir(exist_ok=True)
    replace_file(path, json.dumps(names, indent=1).encode())
    return path
