"""What an ablation has done so far, in files that a killed process leaves whole.

OUT/settings.json holds what all runs share; OUT/records/RUN.json what is known of one run: which
weights it had at its looks, and the errors of estimators by what was measured how.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simgan.engine.checkpoint import clean_leftovers
from simgan.engine.config import to_dict
from simgan.engine.durable import digest, replace_file
from simgan.engine.errors import CheckpointError, ConfigError
from simgan.engine.evaluation.ablation.config import AblateConfig, base_values
from simgan.engine.evaluation.ablation.plan import Run
from simgan.engine.run_folder import environment
from simgan.engine.trainer import HARMLESS

SCHEMA = 1
SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Folder:
    """Paths of an ablation.

    settings.json, runs/RUN/ (as `train` leaves them), weights/RUN/step-N.safetensors, records/,
    data/, and in the end ablation.json, ablation.md, ablation.png, stability.png.
    """

    path: Path

    def run(self, run: Run) -> Path:
        """The training run."""
        return self.path / "runs" / run.name

    def weights(self, run: Run, step: int) -> Path:
        """The refiner as it was at a look."""
        return self.path / "weights" / run.name / f"step-{step:08d}.safetensors"

    @property
    def data(self) -> Path:
        """For parts of the synthetic set."""
        return self.path / "data"

    def tidy(self) -> None:
        """Remove what a killed process left half written; only while the folder is held."""
        kept = (self.path / "weights").glob("*")
        clean_leftovers(self.path, self.path / "records", self.data, *kept)

    def record(self, name: str) -> "Record":
        """What is known of a run, or of the unrefined images (`synthetic`)."""
        return Record(self.path / "records" / f"{name}.json")


class Record:
    """The looks of one run. Every change is on the disk before it is answered for.

    Args:
        path: of its file; it need not exist.

    Attributes:
        looks: by step: weights (hash), metrics, seconds (of the training before it).
        measured: by key (of weights, images and settings): images, mean_abs_change, and
            `estimators` by seed: error in degrees, best_step, validation_error, seconds.
        failed: why the run ended early, or None.

    Raises:
        CheckpointError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        held: dict[str, Any] = {}
        if path.is_file():
            try:
                held = json.loads(path.read_bytes())
                self.looks: dict[str, Any] = dict(held["looks"])
                self.measured: dict[str, Any] = dict(held["measured"])
                self.failed: str | None = held["failed"]
            except (ValueError, LookupError, TypeError) as error:
                raise CheckpointError(
                    f"{path} is damaged: {error}", fix="Remove it; what it holds is done again."
                ) from error
        else:
            self.looks, self.measured, self.failed = {}, {}, None

    def save(self) -> None:
        """Write it, whole or not at all.

        Raises:
            DiskError: it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        held = {"looks": self.looks, "measured": self.measured, "failed": self.failed}
        replace_file(self.path, (json.dumps(held, indent=1, allow_nan=False) + "\n").encode())


def shared_settings(config: AblateConfig, fingerprints: dict[str, str]) -> dict[str, Any]:
    """What decides the refiners of every run: other values make another ablation.

    Arms, lambdas and numbers of seeds are not among them, nor what is measured: they may change.
    """
    base = to_dict(config)
    free = {*HARMLESS, "preset", "device"} - {"steps"}
    training = {name: base[name] for name in base_values(config) if name not in free}
    return {
        "schema": SCHEMA,
        **training,
        "looks": config.looks,
        "equal": config.equal,
        "images": fingerprints,
    }


def claim(folder: Folder, settings: dict[str, Any]) -> None:
    """Note the shared settings in the folder, or make sure that they are those it has.

    Raises:
        ConfigError: it holds an ablation of other settings, or something else.
        CheckpointError: its settings are damaged.
        DiskError: it cannot be written.
    """
    file = folder.path / SETTINGS_FILE
    if file.is_file():
        try:
            held = dict(json.loads(file.read_bytes())["settings"])
        except (ValueError, LookupError, TypeError) as error:
            raise CheckpointError(f"{file} is damaged: {error}") from error
        ours = json.loads(json.dumps(settings))
        if held != ours:
            raise _other(folder.path, held, ours)
        return
    own = ("LOCK", ".tmp-")  # a killed process may have left half a settings.json
    strange = [path.name for path in folder.path.iterdir() if not path.name.startswith(own)]
    if strange:
        raise ConfigError(
            f"out: {folder.path} is not empty and holds no ablation ({sorted(strange)[0]}, ...)",
            fix="Choose another --out.",
        )
    text = json.dumps({"settings": settings, "environment": environment()}, indent=1)
    replace_file(file, (text + "\n").encode())


def _other(path: Path, held: dict[str, Any], ours: dict[str, Any]) -> ConfigError:
    names = sorted(name for name in held.keys() | ours.keys() if held.get(name) != ours.get(name))
    told = []
    for name in names:
        if name == "images":
            kinds = [k for k in ours[name] if held.get(name, {}).get(k) != ours[name][k]]
            told.append(f"other {' and '.join(kinds)} images")
        else:
            told.append(f"{name} {held.get(name)} there, {ours.get(name)} here")
    return ConfigError(
        f"out: {path} holds an ablation of other settings",
        where="; ".join(told),
        fix="Choose another --out, or the settings it was begun with.",
    )


def key_of(*parts: Any) -> str:
    """A key that differs when a part does: blake2b-128 of their JSON."""
    return digest(json.dumps(parts, sort_keys=True).encode())
