"""`simgan-engine check-realism`: refined and real images in, two-sample tests out."""

import json
from pathlib import Path
from typing import Any

import click

from simgan.cli import settings
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress
from simgan.engine.evaluation.realism.config import RealismConfig


@click.command("check-realism", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(RealismConfig)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings, errors and results.")
@click.option("-v", "--verbose", is_flag=True, help="Print every line, and all settings.")
def command(as_json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Test how far refined images still are from real ones.

    Kernel distance of features (KID), accuracy of discriminators that are trained after the fact on
    half of both sets and tested on the other half, and distances of gray values, gradients and
    power spectra. Synthetic images are compared with real ones, too, for company.

    For example: check-realism --refined refined/ --real real/ --synthetic synthetic/
    """
    resolved = settings.resolve(RealismConfig, params)
    config = resolved.config
    with progress(quiet=quiet, verbose=verbose) as view, crash_reports_in(_folder(config)):
        # Here and not above: help and completion need no torch.
        from simgan.engine.evaluation.realism.realism import check_realism

        if verbose:
            view.message(settings.show(resolved))
        result = check_realism(config, observer=view)
    if as_json:
        click.echo(json.dumps(result.report, allow_nan=False))
        return
    from simgan.cli.realism_table import show

    show(result.report, result.files)


def _folder(config: RealismConfig) -> Any:
    """Where the report of a bug goes: the folder of the results, when there is one."""
    return lambda: Path(config.out) if config.out is not None else None
