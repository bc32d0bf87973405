"""`simgan-engine ablate`: a base run and what to vary in, a table and two figures out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simgan.cli import settings, words
from simgan.cli.failures import crash_reports_in
from simgan.cli.progress import progress
from simgan.engine.evaluation.ablation.config import AblateConfig

if TYPE_CHECKING:
    from simgan.engine.evaluation.ablation.plan import Plan
    from simgan.engine.evaluation.ablation.timing import Progress


@click.command("ablate", cls=settings.SettingsCommand, epilog=settings.EPILOG)
@settings.config_options(AblateConfig)
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan and what is done of it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings, errors and results.")
@click.option("-v", "--verbose", is_flag=True, help="Print every line, and all settings.")
def command(dry_run: bool, as_json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Vary one part of SimGAN at a time and measure what a gaze estimator loses by it.

    Every arm is the base run - the settings of `train` - with one change, trained with several
    seeds. At several steps the synthetic set is refined, an estimator is trained on it and tested
    on --test. Without data this is a quick look on built-in procedural eyes. Ctrl-C saves and
    stops; the same command goes on.

    For example: ablate --arms history,lambda --seeds 5 --synthetic simulator/ --real photos/
    --test labelled/
    """
    resolved = settings.resolve(AblateConfig, params)
    config = resolved.config
    with progress(quiet=quiet, verbose=verbose) as view, crash_reports_in(_folder(config)):
        # Here and not above: help and completion need no torch.
        from simgan.engine.evaluation.ablation.ablation import ablate, prepare

        if verbose:
            view.message(settings.show(resolved))
        plan, done = prepare(config)
        if dry_run:
            click.echo(json.dumps(_summary(plan, done)) if as_json else _described(plan, done))
            return
        view.message(_described(plan, done))
        result = ablate(config, observer=view)
    if as_json:
        click.echo(json.dumps(result.report, allow_nan=False))
        return
    from simgan.cli.ablate_table import show

    show(result.report, result.files)


def _folder(config: AblateConfig) -> Any:
    """Where the report of a bug goes."""
    return lambda: Path(config.out) if config.out is not None else None


def _described(plan: "Plan", done: "Progress") -> str:
    """The plan as a table, and how far it is."""
    from simgan.engine.evaluation.ablation.timing import time_left

    rows = []
    for arm in plan.arms:
        first, *_ = runs = plan.of(arm)
        changes = ", ".join(f"{name} {words.value(v)}" for name, v in arm.changes.items())
        if arm.parts > 1:
            changes = f"one in {arm.parts} synthetic images"
        looks = ", ".join(f"{step:,}" for step in first.looks)
        rows.append((arm.label, changes or "-", str(len(runs)), f"{first.looks[-1]:,}", looks))
    table = words.table(rows, ("arm", "changes", "runs", "steps", "measured at"), indent=2)
    told = "no estimate before the first run"
    if done.seconds is not None:
        told = time_left(done.seconds) if done.seconds else "nothing is left to do"
    notes = "".join(f"\n  note: {note}" for note in plan.notes)
    return (
        f"{done.runs} runs of {len(plan.arms)} arms, {done.trained} of them trained; {told}\n"
        f"{table}{notes}"
    )


def _summary(plan: "Plan", done: "Progress") -> dict[str, Any]:
    """The plan for machines."""
    return {
        "arms": [
            {
                "name": arm.name,
                "ablation": arm.ablation,
                "changes": dict(arm.changes),
                "parts": arm.parts,
                "looks": list(plan.of(arm)[0].looks),
                "runs": [run.name for run in plan.of(arm)],
            }
            for arm in plan.arms
        ],
        "notes": plan.notes,
        "runs": done.runs,
        "trained": done.trained,
        "seconds_left": done.seconds,
    }
