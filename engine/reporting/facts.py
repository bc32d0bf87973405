"""What the files of a run say; nothing here looks into images or weights."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simgan.engine.checkpoint import newest_checkpoint, spoken, verify
from simgan.engine.config import TrainConfig
from simgan.engine.errors import CheckpointError
from simgan.engine.health import HealthRules
from simgan.engine.run_folder import RunFolder
from simgan.engine.run_state import PHASES

BEST_FILE = "best.json"  # names the best checkpoint of a run that was judged while it trained
LISTED = 40  # left-out images that the page names
Row = dict[str, Any]


@dataclass(frozen=True)
class Rollback:
    """Where a run became non-finite and went back: phase, step, and the file that tells more."""

    phase: str
    step: int
    file: Path


@dataclass
class RunFacts:
    """A run as its files describe it.

    Attributes:
        path: its folder.
        config: its settings.
        environment: versions and machine at its start.
        command: as it was typed; None if that is not known.
        started: local time of its first file.
        rows: of metrics.jsonl that can be read, oldest first.
        checkpoint: the one that is shown; None without one that is whole.
        which: "newest" or "best".
        state: of that checkpoint; empty without one.
        problems: images that were left out: set, name, reason.
        rollbacks: oldest first.
        warnings: (step, sentence) of the health rules in the training phase.
        grids: sample grids, by step.
        notes: what could not be read, one sentence each.
    """

    path: Path
    config: TrainConfig
    environment: dict[str, Any]
    command: str | None
    started: str
    rows: list[Row]
    checkpoint: Path | None
    which: str
    state: dict[str, Any]
    problems: list[dict[str, str]]
    rollbacks: list[Rollback]
    grids: dict[int, Path]
    warnings: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Steps of Algorithm 1 that the shown checkpoint has behind it."""
        step = self.state.get("step")
        return step if isinstance(step, int) and self.state.get("phase") == PHASES[2] else 0

    @property
    def last(self) -> Row:
        """The last row of metrics of Algorithm 1, else of pre-training; empty without any."""
        trained = [row for row in self.rows if row["phase"] == PHASES[2]]
        return next(reversed(trained or self.rows), {})

    @property
    def image(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the images; None while no checkpoint tells."""
        known = self.state.get("image")
        if not isinstance(known, dict):
            return None
        sides = [known.get(name) for name in ("channels", "height", "width")]
        whole = [side for side in sides if isinstance(side, int) and side > 0]
        return (whole[0], whole[1], whole[2]) if len(whole) == len(sides) else None


def gather(run: RunFolder) -> RunFacts:
    """Read everything a run has written about itself.

    Raises:
        CheckpointError: its config.json is damaged.
        ConfigError: it has settings that this version does not know.
    """
    notes: list[str] = []
    config = run.config()
    checkpoint, which, state = _checkpoint(run, notes)
    rows = _rows(run.metrics, notes)
    started = time.localtime((run.path / "config.json").stat().st_mtime)
    return RunFacts(
        path=run.path,
        config=config,
        environment=_mapping(run.path / "environment.json", notes),
        command=_text(run.path / "command.txt"),
        started=time.strftime("%Y-%m-%d %H:%M", started),
        rows=rows,
        checkpoint=checkpoint,
        which=which,
        state=state,
        problems=_problems(run.problems, notes),
        rollbacks=_rollbacks(run.debug),
        grids=_grids(run.samples),
        warnings=_health(rows),
        notes=notes,
    )


def _checkpoint(run: RunFolder, notes: list[str]) -> tuple[Path | None, str, dict[str, Any]]:
    """The best checkpoint where the run names one, else the newest; with its state."""
    named = _named_best(run.checkpoints, notes)
    which = "newest" if named is None else "best"
    try:
        path = named or newest_checkpoint(run.checkpoints, notes.append)
        state = json.loads((path / "state.json").read_bytes())
    except CheckpointError as error:
        notes.append(f"{error.what}.")
        return None, which, {}
    except (OSError, ValueError) as error:
        notes.append(f"the state of {path.name} cannot be read: {error}")
        return None, which, {}
    if not isinstance(state, dict):
        notes.append(f"the state of {path.name} holds nothing usable")
        return None, which, {}
    return path, which, state


def _named_best(folder: Path, notes: list[str]) -> Path | None:
    file = folder / BEST_FILE
    if not file.is_file():
        return None
    try:
        name = json.loads(file.read_bytes())["checkpoint"]
        if Path(name).name != name:
            raise ValueError("it names no checkpoint of this run")
        verify(folder / name)
    except (ValueError, KeyError, TypeError, OSError, CheckpointError) as error:
        notes.append(f"the best checkpoint cannot be used ({error}); the newest is shown")
        return None
    return folder / str(name)


def _rows(file: Path, notes: list[str]) -> list[Row]:
    rows, broken = [], 0
    lines = file.read_bytes().splitlines() if file.is_file() else []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        usable = isinstance(row, dict) and row.get("phase") in PHASES
        if usable and isinstance(row.get("step"), int):
            rows.append(row)
        else:
            broken += 1
    if broken:
        notes.append(f"{broken:,} of {len(lines):,} lines of {file.name} cannot be read")
    return rows


def _mapping(file: Path, notes: list[str]) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        values = json.loads(file.read_bytes())
    except ValueError as error:
        notes.append(f"{file.name} is damaged: {error}")
        return {}
    return values if isinstance(values, dict) else {}


def _text(file: Path) -> str | None:
    if not file.is_file():
        return None
    return file.read_text(encoding="utf-8", errors="replace").strip() or None


def _problems(file: Path, notes: list[str]) -> list[dict[str, str]]:
    found = []
    for line in file.read_bytes().splitlines() if file.is_file() else []:
        try:
            row = json.loads(line)
            found.append({key: str(row[key]) for key in ("set", "name", "reason")})
        except (ValueError, KeyError, TypeError):
            notes.append(f"a line of {file.name} cannot be read")
    return found


def _rollbacks(folder: Path) -> list[Rollback]:
    found = []
    for file in sorted(folder.glob("*-images.json")):
        name = file.name.removesuffix("-images.json")
        if spoken(name) == name:
            continue
        pretraining = name.startswith("pretraining-")
        phase = int(name.removeprefix("pretraining-")[0]) if pretraining else 2
        digits = name.removeprefix(f"pretraining-{phase}" if pretraining else "step-")
        found.append(Rollback(PHASES[phase], int(digits), file))
    return found


def _grids(folder: Path) -> dict[int, Path]:
    files = {file.stem.removeprefix("step-"): file for file in folder.glob("step-*.png")}
    return dict(sorted((int(step), file) for step, file in files.items() if step.isdigit()))


def _health(rows: list[Row]) -> list[tuple[int, str]]:
    """The warnings of the rules that training applies, on the rows that it wrote."""
    rules, found = HealthRules(), []
    for row in rows:
        if row["phase"] == PHASES[2] and _complete(row):
            found += [(row["step"], text) for text in rules.check(row)]
    return found


def _complete(row: Mapping[str, Any]) -> bool:
    needed = ("mean_abs_change", "synthetic_contrast", "real_contrast", "refined_contrast",
              "d_accuracy_real", "d_accuracy_refined")  # fmt: skip
    return all(isinstance(row.get(name), float) and math.isfinite(row[name]) for name in needed)
