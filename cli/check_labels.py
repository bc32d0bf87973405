"""`simgan-engine check-labels`: pairs of images in, how far refining moved what labels describe."""

import json
from pathlib import Path
from typing import Any

import click

from simgan.cli import settings
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress
from simgan.engine.errors import CheckFailedError
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig


@click.command("check-labels", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(CheckLabelsConfig)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings, errors and results.")
@click.option("-v", "--verbose", is_flag=True, help="Print every line, and all settings.")
def command(as_json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Measure how far refining moved what the labels describe.

    Five independent measures of the synthetic images against their refined copies: the pupil's
    centre by an ellipse fit, what surrounds labelled points, edges, dense optical flow, and the
    error of an estimator that has seen synthetic images only. With --max-shift or
    --max-error-change it ends with 9 when labels moved too far.

    For example: check-labels --run 7 --max-shift 1.1 --out check/
    """
    resolved = settings.resolve(CheckLabelsConfig, params)
    config = resolved.config
    with progress(quiet=quiet, verbose=verbose) as view, crash_reports_in(_folder(config)):
        # Here and not above: help and completion need no torch.
        from simgan.engine.evaluation.label_check.check import check_labels

        if verbose:
            view.message(settings.show(resolved))
        result = check_labels(config, observer=view)
    if as_json:
        click.echo(json.dumps(result.report, allow_nan=False))
    else:
        from simgan.cli.check_labels_table import show

        show(result.report, result.files)
    if result.failures:
        raise CheckFailedError("; ".join(result.failures), fix="See the worst cases with --out.")


def _folder(config: CheckLabelsConfig) -> Any:
    """Where the report of a bug goes: the folder of the results, when there is one."""
    return lambda: Path(config.out) if config.out is not None else None
