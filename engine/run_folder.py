"""The folder of a run: created once, locked while in use, found again by `--resume`, `refine`."""

import json
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from simgan.engine.config import TrainConfig, to_json, train_config
from simgan.engine.durable import disk_error, replace_file
from simgan.engine.errors import CheckpointError, ConfigError
from simgan.engine.process_lock import hold

RUNS = "runs"
_NUMBERED = re.compile(r"(\d{4,})-")


class RunFolder:
    """Paths and files of one run.

    config.json, environment.json, command.txt, metrics.jsonl, samples/, checkpoints/,
    tensorboard/, LOCK; data-problems.jsonl where images were left out, debug/ after a rollback.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.metrics = path / "metrics.jsonl"
        self.debug = path / "debug"
        self.problems = path / "data-problems.jsonl"

    @classmethod
    def create(cls, config: TrainConfig, root: str | Path = RUNS) -> "RunFolder":
        """A new folder: `config.out`, or the next `runs/NNNN-PRESET`. Two runs never share one.

        Raises:
            ConfigError: `config.out` exists and is not empty.
            DiskError: it cannot be written.
        """
        try:
            run = cls(
                _named(Path(config.out)) if config.out else _numbered(Path(root), config.preset)
            )
            run.checkpoints.mkdir()  # exclusive: of two starters with one `out`, one gets here
            run.samples.mkdir()
        except FileExistsError as error:
            raise _taken(run.path) from error
        except OSError as error:
            raise disk_error(error, Path(config.out or root)) from error
        replace_file(run.path / "config.json", to_json(config).encode())
        replace_file(run.path / "environment.json", json.dumps(environment(), indent=2).encode())
        replace_file(run.path / "command.txt", (" ".join(sys.argv) + "\n").encode())
        return run

    @classmethod
    def refuse_inside_input(cls, config: TrainConfig, root: str | Path = RUNS) -> None:
        """Refuse a place for the run that lies in one of its image sets.

        Raises:
            ConfigError: it does; later, the run's own files would count as images and labels.
        """
        place = Path(config.out or root).resolve()
        for kind in ("synthetic", "real"):
            given = getattr(config, kind) or ""
            if given and Path(given).is_dir() and place.is_relative_to(Path(given).resolve()):
                raise ConfigError(
                    "the run folder must not be inside the input",
                    where=f"{place} is in the {kind} images, {given}",
                    fix="Choose another --out, or start from another folder.",
                )

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """An existing run.

        Raises:
            CheckpointError: the folder does not exist or is not a run.
        """
        path = Path(path)
        if not (path / "config.json").is_file():
            reason = (
                "is not a run folder: it has no config.json" if path.is_dir() else "does not exist"
            )
            raise CheckpointError(f"{path} {reason}", fix="See 'simgan-engine runs ls'.")
        return cls(path)

    def config(self) -> TrainConfig:
        """The resolved settings the run was started with."""
        file = self.path / "config.json"
        try:
            values = json.loads(file.read_bytes())
        except ValueError as error:
            raise CheckpointError(f"{file} is damaged: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{file} is damaged: it holds no settings")
        return train_config(values)

    def untouched(self) -> bool:
        """Whether the run ended before its first checkpoint and its first row of metrics."""
        trained = self.metrics.is_file() and self.metrics.stat().st_size > 0
        return not trained and not any(self.checkpoints.glob("[!.]*"))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; the system frees it when the process dies.

        Raises:
            LockedError: another process holds it.
        """
        with hold(self.path / "LOCK", self.path):
            yield


def _named(path: Path) -> Path:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise _taken(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _taken(path: Path) -> ConfigError:
    return ConfigError(
        f"out: {path} already exists and is not empty",
        fix=f"Choose another folder, or continue it with --resume {path}.",
    )


def _numbered(root: Path, preset: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    while True:
        path = root / f"{_last_number(root) + 1:04d}-{preset}"
        try:
            path.mkdir()  # exclusive: two starters cannot get the same folder
            return path
        except FileExistsError:
            continue


def _last_number(root: Path) -> int:
    matches = (_NUMBERED.match(path.name) for path in root.iterdir() if path.is_dir())
    return max((int(match[1]) for match in matches if match), default=0)


def runs(root: str | Path = RUNS) -> list[Path]:
    """Run folders below `root`, oldest number first."""
    root = Path(root)
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if (path / "config.json").is_file()]
    return sorted(found, key=lambda path: (_number(path), path.name))


def _number(path: Path) -> int:
    match = _NUMBERED.match(path.name)
    return int(match[1]) if match else -1


def find_run(name: str | Path, root: str | Path = RUNS) -> Path:
    """The run folder that a path, or a name or number in `root`, means.

    Raises:
        CheckpointError: there is none, or more than one.
    """
    if (Path(name) / "config.json").is_file():
        return Path(name)
    text = str(name)
    start = f"{int(text):04d}-" if text.isdigit() else f"{text}-"
    found = [path for path in runs(root) if path.name == text or path.name.startswith(start)]
    if len(found) > 1:
        raise CheckpointError(f"{name} means several runs: {', '.join(p.name for p in found)}")
    return found[0] if found else RunFolder.open(name).path


def latest_run(root: str | Path = RUNS) -> RunFolder:
    """The run with the highest number.

    Raises:
        CheckpointError: there is none.
    """
    found = runs(root)
    if not found:
        raise CheckpointError(
            f"there is no run in {Path(root).resolve()}",
            fix="Train one with 'simgan-engine train', or name one with --run.",
        )
    return RunFolder(found[-1])


def environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    import numpy
    import torch

    from simgan.engine.precision import cpu_capabilities

    try:
        own = version("simgan-engine")
    except PackageNotFoundError:
        own = "unknown"
    return {
        "simgan-engine": own,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "cuda": torch.version.cuda,
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "cpu": cpu_capabilities().get("cpu_name", platform.processor()),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
    }
