"""`simgan-engine refine`: a set of images in, the same set refined out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simgan.cli import settings, words
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress
from simgan.engine.refine_config import RefineConfig

if TYPE_CHECKING:
    from simgan.engine.refining import RefineResult


@click.command("refine", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(RefineConfig)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print every line, and all settings.")
def command(as_json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Refine every image of a set; names, sizes, bit depths and labels stay.

    Without --input it refines the run's own synthetic set. Interrupted, the same command goes on
    where it stopped; nothing that refine did not write is ever overwritten.
    """
    resolved = settings.resolve(RefineConfig, params)
    config = resolved.config
    with progress(quiet=quiet, verbose=verbose) as view, crash_reports_in(_folder(config)):
        # Here and not above: help and completion need no torch.
        from simgan.engine.refining import refine

        if verbose:
            view.message(settings.show(resolved))
        result = refine(config, progress=view)
    if as_json:
        click.echo(json.dumps(summary(result)))
    elif not quiet:
        click.echo(_closing(result))


def _folder(config: RefineConfig) -> Any:
    """Where the report of a bug goes: the run's folder, when it is named."""
    return lambda: Path(config.run) if config.run is not None else None


def summary(result: "RefineResult") -> dict[str, Any]:
    """The object that --json prints."""
    return {
        "output": str(result.output),
        "manifest": str(result.manifest),
        "labels": result.labels,
        "count": result.count,
        "refined": result.refined,
        "skipped": [{"name": item.name, "reason": item.reason} for item in result.skipped],
        "batch": result.batch,
        "images_per_s": result.images_per_s,
    }


def _closing(result: "RefineResult") -> str:
    if result.refined == 0:
        done = f"all {result.count:,} images were done already"
    else:
        done = f"{result.refined:,} images refined, {result.images_per_s:,.0f} images/s"
    rows = [("output", result.output), ("images", f"{result.count:,}")]
    if result.skipped:
        rows.append(("skipped", f"{len(result.skipped):,}"))
    rows += [("labels", result.labels), ("manifest", result.manifest)]
    return f"{done}\n{words.table(rows, indent=2)}"
