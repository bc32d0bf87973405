"""`simgan-engine evaluate`: labelled training sets and a labelled test set in, errors out."""

import json
from pathlib import Path
from typing import Any

import click

from simgan.cli import settings
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress
from simgan.engine.evaluation.config import EvaluateConfig


@click.command("evaluate", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(EvaluateConfig)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings, errors and results.")
@click.option("-v", "--verbose", is_flag=True, help="Print every line, and all settings.")
def command(as_json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Train an estimator on each labelled set and test it on a labelled real one.

    Every training set is an arm: the paper's estimator is trained on it with several seeds, with
    the same seeds, steps and order of batches as the others, and compared with the first. A part of
    the training set (or --validation) chooses the step; test labels are looked at once, at the end.

    With --task hand the joints of hands are estimated in depth images, else gaze.

    For example: evaluate --train synthetic/ --train refined/ --test real/
    """
    resolved = settings.resolve(EvaluateConfig, params)
    config = resolved.config
    with progress(quiet=quiet, verbose=verbose) as view, crash_reports_in(_folder(config)):
        # Here and not above: help and completion need no torch.
        from simgan.engine.evaluation.evaluation import evaluate

        if verbose:
            view.message(settings.show(resolved))
        result = evaluate(config, observer=view)
    if as_json:
        click.echo(json.dumps(result.report, allow_nan=False))
        return
    from simgan.cli.evaluate_table import show

    show(result.report, result.files)


def _folder(config: EvaluateConfig) -> Any:
    """Where the report of a bug goes: the folder of the results, when there is one."""
    return lambda: Path(config.out) if config.out is not None else None
