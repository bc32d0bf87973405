"""Which weights, input and output a refine has, and what the checkpoint says about its images."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simgan.engine.best_checkpoint import read_best
from simgan.engine.checkpoint import verified_file
from simgan.engine.config import DataPolicy, parse_range, train_config
from simgan.engine.data.source import Source
from simgan.engine.data.value_range import refuse_undeclared
from simgan.engine.durable import digest
from simgan.engine.errors import CheckpointError, ConfigError
from simgan.engine.precision import Precision, pick_backends, pick_device
from simgan.engine.refine_config import RefineConfig
from simgan.engine.refiner import Refiner, load_refiner_file
from simgan.engine.run_folder import find_run, latest_run
from simgan.engine.stopping import WORDS, spoken
from simgan.kernels.residual_block import block_limits

TIMES = "\u00d7"

# What training had to be told about the images holds for refining them, unless said otherwise.
_INHERITED = ("channels", "alpha", "frames", "exif", "eye_crop")
_INHERITED_FOR_OWN_INPUT = ("key", "missing_labels", "max_bad", "max_pixels")


@dataclass(frozen=True)
class Weights:
    """A refiner and what is known about the images that it was trained on.

    Attributes:
        refiner: on the CPU, in evaluation mode.
        path: checkpoint folder or .safetensors file.
        hash: blake2b-128 of the file of weights.
        run: the run it belongs to, if it lies in one.
        image: "channels", "height", "width", "dtype", "value_range" of the training images; may
            be empty.
        policy: data settings of the training.
        synthetic: the run's own synthetic set.
        why: this checkpoint, in words; empty where there was no choice.
    """

    refiner: Refiner
    path: Path
    hash: str
    run: Path | None
    image: dict[str, Any]
    policy: DataPolicy
    synthetic: str | None
    why: str = ""

    def refuse_channels(self, shape: tuple[int, ...], name: str) -> None:
        """Raise CheckpointError unless an image [H, W, C] has the channels of the refiner."""
        channels = self.refiner.shape.channels
        if shape[2] == channels:
            return
        trained = [channels, self.image.get("height", "H"), self.image.get("width", "W")]
        given = [shape[2], shape[0], shape[1]]
        raise CheckpointError(
            f"checkpoint is for {TIMES.join(map(str, trained))} images, "
            f"data is {TIMES.join(map(str, given))}",
            where=f"first: {name}",
            fix=f"Set data.channels={'gray' if channels == 1 else 'rgb'} to convert.",
        )

    def value_range(self, dtype: np.dtype[Any], name: str, source: Source) -> tuple[float, float]:
        """Stored values of a dtype that are -1 and 1: one range for all images, never per image.

        `data.range` full or A..B, else the range of the training if the dtype is the training's,
        else all of 8 bits, else what the format declares.

        Raises:
            ConfigError: `data.range` asks for a statistic that the checkpoint does not have.
            DataError: nothing says what a 16-bit value means.
        """
        full = (0.0, float(np.iinfo(dtype).max))
        trained = self.image if self.image.get("dtype") == dtype.name else {}
        rule = parse_range(source.policy.range) if source.policy.range else None
        if isinstance(rule, tuple):
            return rule
        if rule == "full":
            return full
        if "value_range" in trained:
            low, high = trained["value_range"]
            return float(low), float(high)
        if rule is not None:
            raise ConfigError(
                f"data.range {rule} is a statistic of the training set, "
                f"and the checkpoint has none for {dtype.name}",
                fix="Set data.range to full or A..B.",
            )
        if dtype == np.uint8:
            return full
        refuse_undeclared(name, dtype, source, source.policy)
        return source.value_limits() or full


def find_weights(config: RefineConfig) -> Weights:
    """The weights that a config names: a checkpoint, or one of a run, or of the latest run.

    Of a run it is the best where the run has a rule to stop, else the newest.

    Raises:
        CheckpointError: nothing is there, or it is damaged; nothing is ever refined without
        weights.
    """
    run, place, why = _place(config)
    file = verified_file(place, "refiner.safetensors")
    precision = Precision.choose(
        pick_device(config.device), amp=config.amp, channels_last=config.channels_last
    )
    refiner = load_refiner_file(file)
    shape = refiner.shape
    limits = block_limits(shape.width, shape.kernel, padding=shape.padding)
    backends = pick_backends(config.backend, precision, {"residual_block": limits})
    if "residual_block" in backends:
        refiner = load_refiner_file(file, backends["residual_block"])
    state = _state_beside(file)
    trained = train_config(state["config"]) if "config" in state else None
    return Weights(
        refiner=refiner,
        path=file.parent if file.name == "refiner.safetensors" else file,
        hash=digest(file.read_bytes()),
        run=run,
        image=state.get("image", {}),
        policy=trained.data if trained else DataPolicy(),
        synthetic=trained.synthetic if trained else None,
        why=why,
    )


def _place(config: RefineConfig) -> tuple[Path | None, Path, str]:
    """The run, if it is one; what to look for weights in; and why there, in words."""
    if config.checkpoint not in (None, "best", "newest"):
        assert config.checkpoint is not None
        place = Path(config.checkpoint)
        if place.parent.name == "checkpoints":
            return place.parent.parent, place, ""
        return place if (place / "checkpoints").is_dir() else None, place, ""
    run = find_run(config.run) if config.run is not None else latest_run().path
    folder = run / "checkpoints"
    best = None if config.checkpoint == "newest" else read_best(folder)
    if best is None:
        if config.checkpoint == "best":
            raise CheckpointError(
                f"{run} has no best checkpoint: it was trained without --stop-on, or has not "
                "looked yet",
                fix="Leave out --checkpoint for the newest one.",
            )
        return run, run, ""
    why = f"the best of the run: {WORDS[best.figure]} {spoken(best.figure, best.value)}"
    return run, folder / best.checkpoint, f"{why}; --checkpoint newest takes the newest"


def _state_beside(file: Path) -> dict[str, Any]:
    path = file.with_name("state.json")
    if not path.is_file():
        return {}
    try:
        state = json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    return state if isinstance(state, dict) else {}


def find_input(config: RefineConfig, weights: Weights) -> str:
    """The images to refine: named, or the run's own synthetic set.

    Raises:
        ConfigError: neither is known.
    """
    location = config.input or weights.synthetic
    if location is None:
        raise ConfigError("there is nothing to refine", fix="Name the images with --input.")
    return location


def find_output(config: RefineConfig, weights: Weights) -> Path:
    """Where the refined images go: named, or RUN/refined.

    Raises:
        ConfigError: neither is known.
    """
    if config.output is not None:
        return Path(config.output).expanduser()
    if weights.run is None:
        raise ConfigError(f"{weights.path} is in no run", fix="Name a folder with --output.")
    return weights.run / "refined"


def inherited_policy(config: RefineConfig, weights: Weights) -> DataPolicy:
    """A refine's data settings: its own where set, else the training's where they apply."""
    names: tuple[str, ...] = _INHERITED
    if config.input is None or config.input == weights.synthetic:
        names += _INHERITED_FOR_OWN_INPUT
    default = DataPolicy()
    changes = {
        name: getattr(weights.policy, name)
        for name in names
        if getattr(config.data, name) == getattr(default, name)
    }
    return dataclasses.replace(config.data, **changes)
