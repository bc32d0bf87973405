"""What a run is at one moment, as tensors and JSON: taken from the objects and put back."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from simgan.engine.checkpoint import Checkpoint
from simgan.engine.config import TrainConfig, to_dict
from simgan.engine.data.batches import Batches
from simgan.engine.errors import CheckpointError
from simgan.engine.evaluation.realism.figures import Figure
from simgan.engine.label_matching.run_files import fingerprint
from simgan.engine.metrics import MetricSums
from simgan.engine.refiner import refiner_header
from simgan.engine.run_folder import environment
from simgan.engine.step import Players

PHASES = ("pretrain-refiner", "pretrain-discriminator", "train")
MOST_THREADS = 4096
COUNTS = ("step", "attempt", "metrics_offset", "threads")
GROUPS = ("position", "data", "scaler", "image", "config")


@dataclass
class Place:
    """Where a run stands.

    Attributes:
        phase: index into PHASES.
        step: steps done in that phase.
        attempt: rollbacks so far; each halves the learning rate and reshuffles the order.
    """

    phase: int = 0
    step: int = 0
    attempt: int = 0

    @property
    def name(self) -> str:
        """Name of the checkpoint taken here; names sort in the order of training."""
        if PHASES[self.phase] == "train":
            return f"step-{self.step:08d}"
        return f"pretraining-{self.phase}{self.step:07d}"


@dataclass
class Training:
    """The moving parts of a run; `figure` is what its looks measure, if it has a rule to stop."""

    config: TrainConfig
    players: Players
    synthetic: Batches
    real: Batches
    metrics: MetricSums
    place: Place = field(default_factory=Place)
    figure: Figure | None = None


def order_name(kind: str, attempt: int) -> str:
    """Name of an image order; a rollback continues in another one."""
    return kind if attempt == 0 else f"{kind}/{attempt}"


def learning_rate(config: TrainConfig, attempt: int) -> float:
    """The configured rate, halved by each rollback."""
    return config.lr * float(0.5**attempt)


def snapshot_tensors(training: Training) -> dict[str, dict[str, Tensor]]:
    """Every tensor of the run by checkpoint file."""
    players = training.players
    tensors = {
        "refiner": players.refiner.state_dict(),
        "discriminator": players.discriminator.state_dict(),
        "optim_r": _optimizer_tensors(players.optimizer_r),
        "optim_d": _optimizer_tensors(players.optimizer_d),
        "metrics": training.metrics.state_dict(),
    }
    if players.history is not None:
        tensors["history"] = players.history.state_dict()
    return tensors


def snapshot_headers(training: Training) -> dict[str, dict[str, str]]:
    """safetensors headers: the refiner's file alone is enough to rebuild the refiner."""
    return {"refiner": refiner_header(training.players.refiner)}


def snapshot_state(training: Training, metrics_offset: int) -> dict[str, Any]:
    """Everything that is not a tensor."""
    synthetic, real, place = training.synthetic, training.real, training.place
    array = synthetic.array
    return {
        "phase": PHASES[place.phase],
        "step": place.step,
        "attempt": place.attempt,
        "position": {"synthetic": synthetic.position, "real": real.position},
        "data": {"synthetic": array.fingerprint, "real": real.array.fingerprint},
        "label_match": fingerprint(synthetic.order.weights),
        "scaler": {
            "refiner": training.players.scaler_r.state_dict(),
            "discriminator": training.players.scaler_d.state_dict(),
        },
        "metrics_offset": metrics_offset,
        "threads": torch.get_num_threads(),
        "device": training.players.precision.device.type,
        "image": {
            "channels": array.channels,
            "height": array.height,
            "width": array.width,
            "dtype": str(array.images.dtype),
            "value_range": list(array.value_range),
        },
        "config": to_dict(training.config),
        "environment": environment(),
    }


def check_state(checkpoint: Checkpoint) -> None:
    """Refuse a state.json that no run can have written.

    Raises:
        CheckpointError: naming the entry that is missing or is no such thing.
    """
    state = checkpoint.state
    groups = {name: isinstance(state.get(name), dict) for name in GROUPS}
    counts = {name: _is_count(state.get(name)) for name in COUNTS}
    phase = {"phase": state.get("phase") in PHASES}
    if groups["position"]:
        counts |= {kind: _is_count(state["position"].get(kind)) for kind in ("synthetic", "real")}
    if counts["threads"]:
        counts["threads"] = 1 <= state["threads"] <= MOST_THREADS
    wrong = [name for name, right in (phase | groups | counts).items() if not right]
    if wrong:
        raise CheckpointError(
            f"{checkpoint.path} is damaged (state.json: no usable {', '.join(wrong)})"
        )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def restore(training: Training, checkpoint: Checkpoint) -> None:
    """Put a checkpoint into the training objects: the exact inverse of the snapshot.

    Raises:
        CheckpointError: it was taken of other networks or other images.
    """
    state, tensors, players = checkpoint.state, checkpoint.tensors, training.players
    try:
        _check_fit(training, state)
        players.refiner.load_state_dict(tensors["refiner"])
        players.discriminator.load_state_dict(tensors["discriminator"])
        _load_optimizer(players.optimizer_r, tensors["optim_r"])
        _load_optimizer(players.optimizer_d, tensors["optim_d"])
        if players.history is not None:
            players.history.load_state_dict(tensors["history"])
        training.metrics.load_state_dict(tensors["metrics"])
        scalers = {"refiner": players.scaler_r, "discriminator": players.scaler_d}
        for name, scaler in scalers.items():
            if state["scaler"][name]:  # empty unless the checkpoint was made in fp16
                scaler.load_state_dict(state["scaler"][name])
        training.place = Place(PHASES.index(state["phase"]), state["step"], state["attempt"])
        place_data(training, state["position"])
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{checkpoint.path} does not fit this run: {error}") from error


def place_data(training: Training, position: dict[str, int]) -> None:
    """Set orders, positions and learning rates to those of `training.place` and `position`."""
    attempt = training.place.attempt
    for kind, batches in (("synthetic", training.synthetic), ("real", training.real)):
        batches.position = position[kind]  # ends the prefetching thread, which reads the order
        batches.order.name = order_name(kind, attempt)
        batches.order.forget()
    for optimizer in (training.players.optimizer_r, training.players.optimizer_d):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(training.config, attempt)


def _check_fit(training: Training, state: dict[str, Any]) -> None:
    array, image = training.synthetic.array, state["image"]
    theirs = f"{image['channels']}x{image['height']}x{image['width']}"
    ours = f"{array.channels}x{array.height}x{array.width}"
    if theirs != ours:
        raise CheckpointError(f"checkpoint is for {theirs} images, data is {ours}")
    for kind, batches in (("synthetic", training.synthetic), ("real", training.real)):
        if state["data"][kind] != batches.array.fingerprint:
            raise CheckpointError(
                f"the {kind} images are not those the run was trained on "
                f"({batches.array.location})",
                fix="Restore them, or start a new run.",
            )
    if state.get("label_match") != fingerprint(training.synthetic.order.weights):
        raise CheckpointError(
            "the weights of label matching are not those the run was trained with",
            fix="Restore label-match.npz in the run folder, or start a new run.",
        )


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


@torch.no_grad()
def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # Fused optimizers walk through memory: a moment must be laid out like its weight.
            value = torch.empty_like(parameter).copy_(value)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
