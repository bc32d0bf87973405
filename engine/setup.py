"""Builds the moving parts of a run from its settings: images, networks, optimizers, history."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from simgan.engine.config import DataPolicy, TrainConfig
from simgan.engine.data.batches import Batches, WeightedOrder
from simgan.engine.data.packing import ImageArray, pack
from simgan.engine.data.sources import open_source
from simgan.engine.discriminator import Discriminator
from simgan.engine.durable import replace_file
from simgan.engine.errors import ConfigError, DataError, Interrupted
from simgan.engine.evaluation.realism.figures import build_figure
from simgan.engine.history import HistoryBuffer
from simgan.engine.label_matching.request import parse_request
from simgan.engine.losses import effective_lambda, feature_transform
from simgan.engine.metrics import MetricSums
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision, pick_backends, pick_device
from simgan.engine.refiner import Refiner
from simgan.engine.run_folder import RunFolder
from simgan.engine.run_state import Training
from simgan.engine.signals import StopRequest
from simgan.engine.step import Players
from simgan.engine.stepper import obstacle
from simgan.kernels.residual_block import block_limits

EMBEDDED = {"synthetic": "procedural:synthetic?count=2000", "real": "procedural:camera?count=2000"}
HISTORY_SEED = 0x5EED  # keeps the history's generator apart from the one that initialises weights


class Arrays(NamedTuple):
    """The two packed image sets of a run."""

    synthetic: ImageArray
    real: ImageArray


def absolute_paths(config: TrainConfig) -> TrainConfig:
    """Settings with absolute data paths, or the embedded eyes where none are given.

    Raises:
        ConfigError: only one of the two image sets is given.
    """
    given = {"synthetic": config.synthetic, "real": config.real}
    missing = [kind for kind, path in given.items() if path is None]
    if len(missing) == 1:
        raise ConfigError(
            f"--{missing[0]} is missing: training needs synthetic and real images",
            fix="Give both, or neither to train on the built-in procedural eyes.",
        )
    changes: dict[str, Any] = {}
    for kind, path in given.items():
        path = path or EMBEDDED[kind]
        changes[kind] = path if path.startswith("procedural:") else str(Path(path).resolve())
    if config.feature_transform.endswith(".pt2"):
        changes["feature_transform"] = str(Path(config.feature_transform).resolve())
    if config.stop_task_set and not config.stop_task_set.startswith("procedural:"):
        changes["stop_task_set"] = str(Path(config.stop_task_set).resolve())
    if config.match_labels is not None:
        request = parse_request(config.match_labels)
        if request.path and not request.path.startswith("procedural:"):
            changes["match_labels"] = str(Path(request.path).expanduser().resolve())
    return dataclasses.replace(config, **changes)


def load_arrays(config: TrainConfig, observer: Observer, stop: StopRequest) -> Arrays:
    """Open and pack both sets, and check that they fit each other.

    Raises:
        DataError: unreadable, or images of different shapes.
        Interrupted: a stop signal came while images were decoded.
    """
    if (config.synthetic or "").startswith("procedural:"):
        observer.message(
            "no data given: using built-in procedural eyes (demo data, not for science)"
        )

    def watch(done: int, total: int) -> None:
        if stop.requested is not None:
            raise Interrupted(
                "stopped while reading images; nothing was written", signal_number=stop.requested
            )

    packed = []
    for kind in ("synthetic", "real"):
        location = getattr(config, kind)
        try:
            array = pack(open_source(location, config.data), config.data, progress=watch)
        except DataError as error:
            named = f"{error.where}; {kind}: {location}" if error.where else f"{kind}: {location}"
            raise DataError(error.what, where=named, fix=error.fix) from error
        observer.message(f"{kind}: {describe(array)}{changes(config.data)}")
        packed.append(array)
    arrays = Arrays(*packed)
    _check_pair(arrays)
    return arrays


def list_problems(arrays: Arrays, run: RunFolder, observer: Observer) -> None:
    """Name the images that were left out in the run's data-problems.jsonl, and say how many."""
    rows = [
        {"set": kind, "name": problem.name, "reason": problem.reason}
        for kind, array in zip(Arrays._fields, arrays, strict=True)
        for problem in array.problems
    ]
    if rows:
        replace_file(run.problems, "".join(json.dumps(row) + "\n" for row in rows).encode())
    for kind, array in zip(Arrays._fields, arrays, strict=True):
        sentence = array.skipped(str(run.problems))
        if sentence is not None:
            observer.warning(f"{kind}: {sentence}")


def describe(array: ImageArray) -> str:
    """One line on an image set: count, size, channels, bit depth, format."""
    bits = array.images.dtype.itemsize * 8
    kind = {1: "gray", 3: "RGB"}.get(array.channels, f"{array.channels} channels")
    return (
        f"{len(array.names):,} images {array.height}x{array.width} {bits}-bit {kind} "
        f"({array.format}, {array.location})"
    )


def changes(policy: DataPolicy) -> str:
    """What the settings do to the images, for the line that describes them."""
    done = []
    if policy.channels != "keep":
        done.append(f"all made {policy.channels}")
    if policy.size is not None:
        done.append(f"all resized to {policy.size}")
    return "; " + ", ".join(done) if done else ""


def _check_pair(arrays: Arrays) -> None:
    shapes = [f"{a.channels}x{a.height}x{a.width}" for a in arrays]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"synthetic images are {shapes[0]}, real images are {shapes[1]} "
            "(channels x height x width)",
            fix="Set data.size and data.channels, for example "
            "--set data.size=35x55 --set data.channels=gray.",
        )


def hardware(config: TrainConfig) -> tuple[Precision, dict[str, str]]:
    """Device, arithmetic and backends that the settings ask for.

    Raises:
        ConfigError: this machine does not have them.
    """
    device = pick_device(config.device)
    precision = Precision.choose(device, amp=config.amp, channels_last=config.channels_last)
    refused = {"residual_block": block_limits(config.width, config.kernel, padding=config.padding)}
    return precision, pick_backends(config.backend, precision, refused)


def build_training(
    config: TrainConfig,
    arrays: Arrays,
    observer: Observer,
    weights: NDArray[np.float64] | None = None,
) -> Training:
    """Networks, optimizers, history, batches and metrics of a fresh run.

    Args:
        config, arrays: of the run.
        observer: is told what is about to run.
        weights: [N] of the synthetic images, of label matching; None draws all alike.
    """
    precision, backends = hardware(config)
    device = precision.device
    if config.amp and precision.amp_dtype is None:
        observer.warning(
            "--amp: this CPU does not compute in bf16; training in float32, which is faster here"
        )
    players = _players(config, arrays.synthetic, precision, backends)
    training = Training(
        config,
        players,
        Batches(arrays.synthetic, seed=config.seed, name="synthetic", device=device),
        Batches(arrays.real, seed=config.seed, name="real", device=device),
        MetricSums(device),
        figure=build_figure(config, *arrays, precision, observer, weights),
    )
    if weights is not None:
        training.synthetic.order = WeightedOrder(weights, config.seed, "synthetic")
    _introduce(training, observer)
    return training


def _players(
    config: TrainConfig, array: ImageArray, precision: Precision, backends: dict[str, str]
) -> Players:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        refiner = Refiner(
            array.channels,
            config.width,
            config.blocks,
            config.kernel,
            config.output_activation,
            backends.get("residual_block"),
            padding=config.padding,
        )
        discriminator = Discriminator(
            array.channels, config.discriminator, config.adversarial, (array.height, array.width)
        )
    discriminator.map_size((array.height, array.width))
    precision.module(refiner)
    precision.module(discriminator)
    history = None
    if config.history:
        history = HistoryBuffer(
            config.history_capacity,
            (array.channels, array.height, array.width),
            device=precision.device,
            memory_format=precision.memory_format,
            seed=config.seed ^ HISTORY_SEED,
        )
    players = Players(
        refiner,
        discriminator,
        _optimizer(config, refiner),
        _optimizer(config, discriminator),
        precision,
        config.lambda_reg,
        history,
        feature_transform(config.feature_transform, precision.device),
        backends,
    )
    if config.compile:
        players.compile()
    return players


def _optimizer(config: TrainConfig, network: nn.Module) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        # Capturable: torch refuses to let a CUDA graph count the steps of an Adam that is not.
        on_gpu = next(network.parameters()).is_cuda
        return torch.optim.Adam(network.parameters(), lr=config.lr, fused=True, capturable=on_gpu)
    return torch.optim.SGD(network.parameters(), lr=config.lr, fused=True)


def _introduce(training: Training, observer: Observer) -> None:
    """What is about to run, in the numbers people ask for."""
    config, players = training.config, training.players
    array = training.synthetic.array
    pixels = array.channels * array.height * array.width
    patches = 1
    if config.adversarial == "local":
        height, width = players.discriminator.map_size((array.height, array.width))
        patches = height * width
    counts = [
        sum(p.numel() for p in n.parameters()) for n in (players.refiner, players.discriminator)
    ]
    observer.message(
        f"refiner {counts[0]:,} parameters, discriminator {counts[1]:,}; "
        f"{players.precision.describe()}"
    )
    if players.precision.device.type == "cuda":
        why = obstacle(training)
        observer.message(f"CUDA graphs: {'whole steps' if why is None else f'none, {why}'}")
    observer.message(
        f"lambda_reg {config.lambda_reg:g} (losses: sum over {patches} patches and "
        f"{pixels:,} pixels, mean over images); "
        f"{effective_lambda(config.lambda_reg, pixels, patches):.3g} if both were means"
    )
