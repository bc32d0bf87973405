"""`simgan-engine report`: one HTML page of a run, to be read, printed or sent."""

import json
from pathlib import Path
from typing import Any

import click

from simgan.cli import words
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress

PLACE = click.Path(path_type=Path)


@click.command("report")
@click.argument("run", metavar="RUN")
@click.option("--output", type=PLACE, metavar="FILE", help="The page (default: RUN/report.html).")
@click.option("--evaluation", type=PLACE, metavar="DIR", help="Results of evaluate --out.")
@click.option("--ablation", type=PLACE, metavar="DIR", help="Results of ablate.")
@click.option("--label-check", type=PLACE, metavar="DIR", help="Results of check-labels.")
@click.option("--realism", type=PLACE, metavar="DIR", help="Results of check-realism.")
@click.option("--turing", type=PLACE, metavar="DIR", help="Results of turing.")
@click.option("--bench", type=PLACE, metavar="FILE", help="Results of bench --json FILE.")
@click.option("--open", "show", is_flag=True, help="Show the page in a browser.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
def command(
    run: str, output: Path | None, show: bool, as_json: bool, quiet: bool, **parts: Any
) -> None:
    """Write one self-contained HTML page of a run: pictures, curves, results, settings.

    RUN is a run folder, or its name or number in runs/. Results are looked for in the run too:
    RUN/evaluation, RUN/label-check, RUN/realism, RUN/ablation, RUN/turing. The page needs no
    network and no script, and says of everything that is missing that it is missing.
    """
    with progress(quiet=quiet, verbose=False) as view, crash_reports_in(lambda: None):
        # Here and not above: help and completion need no torch.
        from simgan.engine.reporting import report

        page = report(run, output, parts, observer=view)
    size = page.stat().st_size
    if as_json:
        click.echo(json.dumps({"report": str(page), "bytes": size}))
    elif not quiet:
        click.echo(f"{page} ({words.size(size)})")
    if show and click.launch(page.resolve().as_uri()) != 0:
        click.echo(f"Warning: no browser was found; open {page} yourself", err=True)
