"""`simgan-engine train`: settings in, a run folder out."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from simgan.cli import settings, words
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress
from simgan.engine.config import TrainConfig
from simgan.engine.run_folder import find_run, runs

if TYPE_CHECKING:
    from simgan.engine.observer import Observer
    from simgan.engine.trainer import RunResult

WITH_RESUME = (
    "resume",
    "steps",
    "patience",
    "feature_transform",
    "as_json",
    "quiet",
    "verbose",
)


@click.command("train", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(TrainConfig)
@click.option(
    "--resume",
    metavar="RUN",
    type=click.Path(),
    help="Continue a run from its newest checkpoint; only --steps and --patience may go with it.",
)
@click.option(
    "-n", "--dry-run", is_flag=True, help="Show settings, data and memory; write nothing."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print every line of metrics, and all settings."
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    resume: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **params: Any,
) -> None:
    """Train a refiner on labelled synthetic and unlabelled real images.

    Without data it trains the demo preset on built-in procedural eyes. Ctrl-C saves a checkpoint
    and stops; --resume goes on from there.
    """
    work: _Resumed | _Started
    if resume is not None:
        _refuse_other_settings(ctx)
        changes = {name: params[name] for name in ("steps", "patience", "feature_transform")}
        work = _Resumed(find_run(resume), changes)
    else:
        resolved = settings.resolve(TrainConfig, params)
        if dry_run:
            from simgan.cli.dry_run import report

            report(resolved, as_json=as_json)
            return
        work = _Started(resolved, verbose=verbose)
    begun = time.time()
    with progress(quiet=quiet, verbose=verbose) as view, crash_reports_in(work.folder):
        result = work.run(view)
    if as_json:
        click.echo(json.dumps(summary(result)))
    elif not quiet:
        click.echo(_closing(result, time.time() - begun))


class _Started:
    """A new run."""

    def __init__(self, resolved: settings.Resolved[TrainConfig], *, verbose: bool) -> None:
        self._resolved = resolved
        self._verbose = verbose
        self._known = set(runs())

    def run(self, view: "Observer") -> "RunResult":
        from simgan.engine.trainer import train

        config = self._resolved.config
        if self._verbose:
            view.message(settings.show(self._resolved))
        return train(config, observer=view)

    def folder(self) -> Path | None:
        """The run folder, if the run got as far as making one."""
        out = self._resolved.config.out
        if out is not None:
            return Path(out)
        return next((path for path in reversed(runs()) if path not in self._known), None)


class _Resumed:
    """A run that goes on, to its own number of steps or another."""

    def __init__(self, path: Path, changes: dict[str, Any]) -> None:
        self._path = path
        self._changes = changes

    def run(self, view: "Observer") -> "RunResult":
        from simgan.engine.trainer import resume

        return resume(self._path, **self._changes, observer=view)

    def folder(self) -> Path | None:
        return self._path


def _refuse_other_settings(ctx: click.Context) -> None:
    for param in ctx.command.get_params(ctx):
        name = param.name or ""
        source = ctx.get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE and name not in WITH_RESUME:
            raise click.UsageError(
                f"--resume takes every setting from the run; {param.opts[-1]} cannot go with it "
                "(only --steps and --patience can)",
                ctx,
            )


def summary(result: "RunResult") -> dict[str, Any]:
    """The object that --json prints."""
    grid = _newest_grid(result.run)
    return {
        "run": str(result.run),
        "steps": result.steps,
        "metrics": words.finite(result.metrics),
        "checkpoint": str(result.checkpoint),
        "best": None if result.best is None else str(result.best),
        "verdict": result.verdict,
        "samples": None if grid is None else str(grid),
    }


def _closing(result: "RunResult", seconds: float) -> str:
    grid = _newest_grid(result.run)
    rows = [
        ("run", result.run),
        ("samples", grid or "none yet"),
        ("checkpoint", result.checkpoint),
    ]
    if result.best is not None:
        rows.append(("best", result.best))
    known = runs()
    latest = bool(known) and known[-1].resolve() == result.run.resolve()
    following = "simgan-engine refine" if latest else f"simgan-engine refine --run {result.run}"
    return "\n".join(
        (
            f"{result.steps:,} steps done in {words.duration(seconds)}",
            words.table(rows, indent=2),
            f"next: {following}",
        )
    )


def _newest_grid(run: Path) -> Path | None:
    return max((run / "samples").glob("*.png"), default=None)
