"""One step of each phase of Algorithm 1: what it draws, updates and measures.

A step takes no argument that changes, works on tensors that stay where they are and never asks the
host, so that a GPU can replay it from a CUDA graph.
"""

from torch import Tensor
from torch.profiler import record_function

from simgan.engine.failpoints import failpoint
from simgan.engine.run_state import Training
from simgan.engine.schedule import Schedule
from simgan.engine.step import (
    Metrics,
    discriminator_step,
    pretrain_refiner_step,
    refined_needed,
    refiner_step,
)


def one_step(training: Training, schedule: Schedule, phase: str) -> None:
    """One step: K_g refiner updates, then K_d discriminator updates (Algorithm 1).

    Args:
        schedule: has planned the step, with the `step_widths` of its phase.
        phase: "pretrain-refiner" and "pretrain-discriminator" are one update each, "train" all.
    """
    config, players = training.config, training.players
    schedule.begin_step()
    if phase == "pretrain-refiner":
        synthetic = _draw(training, schedule, "synthetic", config.batch)
        with record_function("refiner update"):
            values = pretrain_refiner_step(players, synthetic)
        _record(training, schedule, "refiner", values)
    elif phase == "pretrain-discriminator":
        _discriminator_update(training, schedule, use_history=False)
    else:
        for _ in range(config.k_g):
            synthetic = _draw(training, schedule, "synthetic", config.batch)
            with record_function("refiner update"):
                values = refiner_step(players, synthetic)
            _record(training, schedule, "refiner", values)
        failpoint("train.between_updates")
        for _ in range(config.k_d):
            _discriminator_update(training, schedule, use_history=True)
    schedule.end_step()


def step_widths(training: Training, phase: str) -> dict[str, int]:
    """Images that the next step draws from each set, beginning with the history as it is."""
    config, history = training.config, training.players.history
    if phase == "pretrain-refiner":
        return {"synthetic": config.batch}
    if phase == "pretrain-discriminator":
        return {"synthetic": config.batch, "real": config.batch}
    synthetic = config.k_g * config.batch
    stored = 0 if history is None else len(history)
    for _ in range(config.k_d):
        synthetic += refined_needed(stored, config.batch)
        if history is not None:
            stored = min(stored + config.batch // 2, history.capacity)
    return {"synthetic": synthetic, "real": config.k_d * config.batch}


def is_settled(training: Training, phase: str) -> bool:
    """Whether every step from here on is the same: a history that fills changes shapes."""
    history = training.players.history
    return phase != "train" or history is None or len(history) == history.capacity


def _discriminator_update(training: Training, schedule: Schedule, *, use_history: bool) -> None:
    players, batch = training.players, training.config.batch
    stored = 0 if players.history is None or not use_history else len(players.history)
    synthetic = _draw(training, schedule, "synthetic", refined_needed(stored, batch))
    real = _draw(training, schedule, "real", batch)
    with record_function("discriminator update"):
        values = discriminator_step(players, synthetic, real, use_history=use_history)
    _record(training, schedule, "discriminator", values)


def _draw(training: Training, schedule: Schedule, kind: str, count: int) -> Tensor:
    with record_function("draw"):
        return training.players.precision.images(schedule.draw(kind, count))


def _record(training: Training, schedule: Schedule, source: str, values: Metrics) -> None:
    with record_function("metrics"):
        training.metrics.add(source, values, schedule.step)
