"""`simgan-engine turing`: images in, a local page for raters, their answers and what they prove."""

import json
from pathlib import Path
from typing import Any

import click

from simgan.cli import settings
from simgan.cli.progress import progress
from simgan.engine.evaluation.turing.config import TuringConfig, parse_raters


@click.command("turing", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(TuringConfig)
@click.option(
    "--results",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Print what a test has found so far, and show no page.",
)
@click.option("--json", "as_json", is_flag=True, help="With --results: one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but the link, warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print every line, and all settings.")
def command(folder: Path | None, as_json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Let people tell refined images from real ones, on a page that only this machine can open.

    Each rater judges the same images in an order of their own, by keys or clicks. Every answer is
    on the disk before the next image appears; the same command goes on where it was stopped.

    For example: turing --refined runs/0001-gaze/refined --real photos/
    """
    if folder is not None:
        _print_results(folder, as_json)
        return
    if as_json:
        raise click.UsageError("--json needs --results")
    resolved = settings.resolve(TuringConfig, params)
    with progress(quiet=quiet, verbose=verbose) as view:
        from simgan.cli.turing_table import plan_sentences
        from simgan.engine.data.source import require
        from simgan.engine.evaluation.turing.experiment import experiment
        from simgan.engine.evaluation.turing.report import plan
        from simgan.engine.signals import stop_on_signals

        for module in ("starlette", "uvicorn"):
            require(module, "web", "the page of turing")
        from simgan.cli.web.server import Server

        if verbose:
            view.message(settings.show(resolved))
        with experiment(resolved.config, observer=view) as test:
            raters = parse_raters(resolved.config.raters).most
            for sentence in plan_sentences(plan(test.design, raters), raters):
                view.message(sentence)
            # Before the link is out, so that no signal that anybody sends afterwards is lost.
            with stop_on_signals() as stop:
                server = Server(test, resolved.config.port)
                click.echo(f"open {server.link}  (only this machine can; Ctrl-C ends)")
                if resolved.config.browser:
                    server.open_browser()
                server.run(stop)


def _print_results(folder: Path, as_json: bool) -> None:
    from simgan.engine.evaluation.turing.experiment import results
    from simgan.engine.evaluation.turing.report import report

    found = report(results(folder))
    if as_json:
        click.echo(json.dumps(found, allow_nan=False))
        return
    from simgan.cli.turing_table import show

    show(found)
