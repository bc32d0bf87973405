"""Algorithm 1 of the paper, and what surrounds it: pre-training, checkpoints, resume, signals."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from simgan.engine.checkpoint import (
    Checkpoint,
    clean_leftovers,
    load_checkpoint,
    newest_checkpoint,
    spoken,
)
from simgan.engine.config import TrainConfig, to_dict, to_json, train_config
from simgan.engine.durable import replace_file
from simgan.engine.errors import CheckpointError, ConfigError, DeviceMemoryError
from simgan.engine.label_matching.found import LabelMatch
from simgan.engine.label_matching.matching import match
from simgan.engine.label_matching.run_files import has_match, read_match, write_match
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.precision import on_device, pick_device, repeatable
from simgan.engine.run_folder import RunFolder, find_run
from simgan.engine.run_state import Place, check_state
from simgan.engine.session import Session
from simgan.engine.setup import (
    Arrays,
    absolute_paths,
    build_training,
    hardware,
    list_problems,
    load_arrays,
)
from simgan.engine.signals import StoppingObserver, StopRequest, stop_on_signals


@dataclass(frozen=True)
class RunResult:
    """What a finished run left behind.

    Attributes:
        run: its folder.
        steps: steps of Algorithm 1 done.
        metrics: means of the last tick.
        checkpoint: its last checkpoint.
        best: its best checkpoint by `stop_on`; None without.
        verdict: in a sentence, whether and why it stopped by `stop_on`, and the best step.
    """

    run: Path
    steps: int
    metrics: dict[str, float]
    checkpoint: Path
    best: Path | None = None
    verdict: str | None = None


def train(
    config: TrainConfig | Mapping[str, Any] | None = None,
    *,
    observer: Observer | None = None,
    root: str | Path = "runs",
) -> RunResult:
    """Train a refiner (Algorithm 1): pre-train R, pre-train D, then K_g and K_d updates a step.

    Args:
        config: settings, or a mapping of them for `train_config`.
        observer: is told of progress; silent by default.
        root: where numbered run folders are made when `config.out` is not set.
    Raises:
        ConfigError, DataError: settings or data are not usable; nothing was written.
        DivergedError: the losses stayed non-finite after three rollbacks.
        DiskError: checkpoints could not be written three times in a row.
        Interrupted: SIGINT or SIGTERM came; the run is saved and can be resumed.
    """
    if not isinstance(config, TrainConfig):
        config = train_config(config)
    config = absolute_paths(config)
    observer = observer or SilentObserver()
    with (
        stop_on_signals() as stop,
        repeatable(config.deterministic, torch.get_num_threads()),
        on_device(pick_device(config.device)),
    ):
        hardware(config)  # before the images are read, which may take long
        RunFolder.refuse_inside_input(config, root)
        arrays = load_arrays(config, observer, stop)
        matched = _match_labels(config, arrays, observer, stop)
        weights = None if matched is None else matched.weights
        training = build_training(config, arrays, observer, weights)
        run = RunFolder.create(config, root)
        with run.lock():
            observer.message(f"run folder {run.path}")
            if matched is not None:
                write_match(run.path, matched)
            list_problems(arrays, run, observer)
            session = Session(training, run, observer, stop)
            return _finish(session)


def resume(
    path: str | Path,
    *,
    steps: int | None = None,
    patience: int | None = None,
    feature_transform: str | None = None,
    observer: Observer | None = None,
) -> RunResult:
    """Continue a run exactly where its newest complete checkpoint stands.

    With `deterministic` on a CPU the result is bit for bit that of a run that never stopped.

    Args:
        path: the run folder, or its name or number in runs/.
        steps: a new T, to train longer than the run was meant to.
        patience: another one; a larger one goes on where `stop_on` ended the run.
        feature_transform: the .pt2 file of the run, if it has one: such a file can run code, so a
            run folder alone is not trusted to name it.
        observer: is told of progress.
    Raises:
        CheckpointError: there is no run, no readable checkpoint, or the data has changed.
        LockedError: another process is training it.
        Others: as `train`.
    """
    observer = observer or SilentObserver()
    run = RunFolder(find_run(path))
    with run.lock(), stop_on_signals() as stop:
        clean_leftovers(run.path, run.checkpoints, run.samples, run.debug)
        checkpoint = None if run.untouched() else _newest(run, observer)
        config = _longer(run, run.config(), steps, patience)
        _refuse_unnamed_network(config, feature_transform)
        threads = torch.get_num_threads()
        if checkpoint is not None:
            _check_settings(config, checkpoint.state["config"], observer)
            threads = checkpoint.state["threads"]
        device = pick_device(config.device)
        if checkpoint is not None and checkpoint.state.get("device") not in (None, device.type):
            observer.warning(
                f"the checkpoint was made on {checkpoint.state['device']}, this is {device.type}. "
                "The result is not that of an uninterrupted run."
            )
        with repeatable(config.deterministic, threads), on_device(device):
            arrays = load_arrays(config, observer, stop)
            if checkpoint is None and not has_match(run.path):
                matched = _match_labels(config, arrays, observer, stop)
                if matched is not None:
                    write_match(run.path, matched)
            weights = None
            if config.match_labels is not None:
                weights = read_match(run.path, len(arrays.synthetic))
            training = build_training(config, arrays, observer, weights)
            list_problems(arrays, run, observer)
            session = Session(training, run, observer, stop, start=checkpoint)
            observer.message(_resuming(run, checkpoint))
            return _finish(session)


def _match_labels(
    config: TrainConfig, arrays: Arrays, observer: Observer, stop: StopRequest
) -> LabelMatch | None:
    if config.match_labels is None:
        return None
    watcher = StoppingObserver(observer, stop, "stopped while matching labels")
    return match(config, *arrays, hardware(config)[0], watcher)


def _refuse_unnamed_network(config: TrainConfig, named: str | None) -> None:
    wanted = config.feature_transform
    if wanted.endswith(".pt2") and (named is None or Path(named).resolve() != Path(wanted)):
        raise CheckpointError(
            f"the run's feature transform is a file that can run code: {wanted}",
            fix=f"If you trust it, name it: --resume RUN --feature-transform {wanted}",
        )


def _newest(run: RunFolder, observer: Observer) -> Checkpoint:
    checkpoint = load_checkpoint(
        newest_checkpoint(run.checkpoints, observer.warning, quarantine=True)
    )
    check_state(checkpoint)
    return checkpoint


def _finish(session: Session) -> RunResult:
    try:
        session.run_all()
    except torch.OutOfMemoryError as error:
        batch, device = session.training.config.batch, session.training.players.precision.device
        graphs = ", --no-graphs (a graph keeps its memory)" if device.type == "cuda" else ""
        raise DeviceMemoryError(
            f"batch {batch} does not fit into the memory of {device}",
            fix=f"Use --batch {max(2, batch // 4 * 2)}, --amp{graphs}, or smaller images.",
        ) from error
    finally:
        session.close()
    place: Place = session.training.place
    best = session.looks.best
    return RunResult(
        session.run.path,
        place.step,
        session.last_metrics,
        session.last_checkpoint,
        None if best is None else session.run.checkpoints / best,
        session.looks.verdict(),
    )


def _resuming(run: RunFolder, checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return f"resuming {run.path} at its beginning: it ended before its first checkpoint"
    manifest = checkpoint.path / "manifest.json"
    files = len(json.loads(manifest.read_bytes())["files"])
    written = time.strftime("%H:%M", time.localtime(manifest.stat().st_mtime))
    return (
        f"resuming {run.path} at {spoken(checkpoint.path.name)} "
        f"(checkpoint of {written}, verified {files} files)"
    )


def _longer(
    run: RunFolder, config: TrainConfig, steps: int | None, patience: int | None
) -> TrainConfig:
    """The run's settings with what may change later; config.json is written anew where it did."""
    if steps is not None and steps < config.steps:
        raise ConfigError(
            f"steps must be at least the run's {config.steps} to resume it, got {steps}"
        )
    if patience is not None and config.stop_on == "none":
        raise ConfigError(f"patience is for runs with stop_on, which {run.path} has not")
    wanted = {"steps": steps, "patience": patience}
    changes = {name: value for name, value in wanted.items() if value is not None}
    if all(getattr(config, name) == value for name, value in changes.items()):
        return config
    config = train_config({**to_dict(config), **changes})
    replace_file(run.path / "config.json", to_json(config).encode())
    return config


_SHAPING = (
    "width",
    "blocks",
    "kernel",
    "padding",
    "discriminator",
    "adversarial",
    "output_activation",
    "optimizer",
    "history",
)


# Moved data is known by its fingerprint; the rest decides what is told, not what is computed.
HARMLESS = (
    "steps",
    "synthetic",
    "real",
    "out",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "tensorboard",
    "patience",
)


def _check_settings(config: TrainConfig, saved: Mapping[str, Any], observer: Observer) -> None:
    """config.json may have been edited by hand: tell what differs, refuse what shapes the state.

    A setting that the checkpoint does not name came later: it had its default.
    """
    saved = to_dict(train_config(saved))
    now = {name: value for name, value in to_dict(config).items() if name not in HARMLESS}
    changed = {
        name: f"{name}: {saved[name]} -> {value}"
        for name, value in now.items()
        if saved[name] != value
    }
    fixed = [change for name, change in changed.items() if name in _SHAPING]
    if fixed:
        raise CheckpointError(
            "config.json differs from the checkpoint in what cannot change: " + ", ".join(fixed),
            fix="Put it back, or start a new run.",
        )
    if changed:
        observer.warning(
            "settings changed since the checkpoint: " + ", ".join(changed.values()) + ". "
            "The result is not that of an uninterrupted run."
        )
