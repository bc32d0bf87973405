"""`simgan-engine runs`: the training runs of this folder, as far as their files tell."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from simgan.cli import words
from simgan.cli.progress import COLUMNS
from simgan.engine.best_checkpoint import Best, read_best
from simgan.engine.run_folder import RUNS, RunFolder, find_run, runs
from simgan.engine.stopping import WORDS, spoken

TAIL_BYTES = 65_536  # a row of metrics has a few hundred bytes; the last one is in here


@dataclass(frozen=True)
class Run:
    """What the files of a run say.

    Attributes:
        steps: step of its newest checkpoint; 0 before the first one of Algorithm 1.
        metrics: last row of metrics.jsonl.
        best: what its rule to stop says; None without.
    """

    path: Path
    preset: str
    steps: int
    planned: int
    metrics: dict[str, Any]
    bytes: int
    locked: bool
    best: Best | None = None

    @property
    def state(self) -> str:
        """training (somebody holds the lock), done or stopped."""
        if self.locked:
            return "training"
        ended = self.best is not None and self.best.stopped is not None
        return "done" if ended or self.steps >= self.planned else "stopped"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "run": str(self.path),
            "preset": self.preset,
            "state": self.state,
            "steps": self.steps,
            "planned": self.planned,
            "metrics": self.metrics,
            "best": None if self.best is None else asdict(self.best),
            "bytes": self.bytes,
        }


@click.group("runs")
def command() -> None:
    """List training runs, or show one."""


@command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.argument("root", default=RUNS, type=click.Path())
def ls(root: str, as_json: bool) -> None:
    """List the runs in ROOT (default: runs/)."""
    found = [read_run(path) for path in runs(root)]
    if as_json:
        click.echo(json.dumps([run.to_dict() for run in found], indent=2))
    elif not found:
        click.echo(f"no runs in {root}; start one with: simgan-engine train")
    else:
        header = ("run", "preset", "steps", "state", "D real", "D refined", "|R(x)-x|", "size")
        click.echo(words.table([_row(run) for run in found], header))


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("name", metavar="RUN")
def show(name: str, as_json: bool) -> None:
    """Show one run: a path, or its name or number in runs/."""
    run = read_run(find_run(name))
    if as_json:
        click.echo(json.dumps(run.to_dict() | _files(run.path), indent=2))
        return
    files = _files(run.path)
    rows = [
        ("run", run.path),
        ("preset", run.preset),
        ("steps", f"{run.steps:,} of {run.planned:,}"),
        ("state", run.state),
        ("started", files["started"]),
        ("command", files["command"]),
        ("size", words.size(run.bytes)),
        ("checkpoints", ", ".join(files["checkpoints"]) or "none"),
        ("samples", files["samples"] or "none"),
    ]
    if run.best is not None:
        best = run.best
        ended = f"; ended the run at step {best.stopped:,}" if best.stopped is not None else ""
        figure = f"{WORDS[best.figure]} {spoken(best.figure, best.value)}"
        rows.append(("best", f"{best.checkpoint}: {figure}{ended}"))
    click.echo(words.table(rows))
    if run.metrics:
        last = f"last metrics ({run.metrics.get('phase')}, step {run.metrics.get('step')})"
        values = [
            (label, _number(run.metrics[key], form))
            for key, (label, form) in COLUMNS.items()
            if key in run.metrics
        ]
        click.echo(f"\n{last}\n{words.table(values, indent=2)}")
    if run.state == "stopped":
        click.echo(f"\ncontinue: simgan-engine train --resume {run.path}")


def read_run(path: Path) -> Run:
    """Read a run's files; what a killed run left unfinished counts as not there.

    Raises:
        CheckpointError: its config.json is damaged.
    """
    config = RunFolder.open(path).config()
    done = (folder.name.removeprefix("step-") for folder in (path / "checkpoints").glob("step-*"))
    return Run(
        path=path,
        preset=config.preset,
        steps=max((int(step) for step in done if step.isdigit()), default=0),
        planned=config.steps,
        metrics=_last_row(path / "metrics.jsonl"),
        bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        locked=_is_locked(path),
        best=read_best(path / "checkpoints"),
    )


def _last_row(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    with open(file, "rb") as stream:
        stream.seek(max(0, file.stat().st_size - TAIL_BYTES))
        lines = stream.read().splitlines()
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            return row
    return {}


def _is_locked(path: Path) -> bool:
    from filelock import FileLock, Timeout

    file = path / "LOCK"
    if not file.is_file():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True


def _files(path: Path) -> dict[str, Any]:
    command_file = path / "command.txt"
    started = time.localtime((path / "config.json").stat().st_mtime)
    names = [file.parent.name for file in (path / "checkpoints").glob("*/manifest.json")]
    grid = max((path / "samples").glob("*.png"), default=None)
    return {
        "command": command_file.read_text().strip() if command_file.is_file() else "unknown",
        "started": time.strftime("%Y-%m-%d %H:%M", started),
        "checkpoints": sorted(name for name in names if name[0] != "." and ".bad" not in name),
        "samples": None if grid is None else str(grid),
    }


def _row(run: Run) -> tuple[object, ...]:
    cells = [
        _number(run.metrics.get(key), COLUMNS[key][1])
        for key in ("d_accuracy_real", "d_accuracy_refined", "mean_abs_change")
    ]
    steps = f"{run.steps:,}/{run.planned:,}"
    return (run.path.name, run.preset, steps, run.state, *cells, words.size(run.bytes))


def _number(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else "-"
