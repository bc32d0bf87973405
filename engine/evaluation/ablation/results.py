"""The report of an ablation and its files: ablation.json, ablation.md and two figures."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simgan.engine.config import to_dict
from simgan.engine.durable import replace_file
from simgan.engine.evaluation.ablation.config import AblateConfig, estimators_match
from simgan.engine.evaluation.ablation.markdown import (
    interval,
    markdown,
    number,
    probability,
)
from simgan.engine.evaluation.ablation.numbers import over_seeds, plain, summarize
from simgan.engine.evaluation.ablation.plan import BASE, Arm, Plan, Run
from simgan.engine.evaluation.ablation.sets import Sets
from simgan.engine.run_folder import environment

JSON_FILE, TABLE_FILE = "ablation.json", "ablation.md"
BARS_FILE, STABILITY_FILE = "ablation.png", "stability.png"
FEW_SEEDS = 5


def report_of(
    config: AblateConfig, plan: Plan, sets: Sets, records: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Everything an ablation found, as plain values; errors in degrees.

    Args:
        config, plan, sets: of the ablation.
        records: `synthetic`: by parts, a look per seed; `runs`: by name, `looks` and `failed`.
        seconds: that this call took.
    """
    curves = {
        arm.name: [_errors(records["runs"][run.name]["looks"]) for run in plan.of(arm)]
        for arm in plan.arms
    }
    unrefined = {
        parts: [look["error"] for look in looks] for parts, looks in records["synthetic"].items()
    }
    of_arms = {arm.name: unrefined[arm.parts] for arm in plan.arms}
    numbers = summarize(curves, of_arms, BASE, config.confidence)
    return {
        "schema": 1,
        "unit": "degrees",
        "config": to_dict(config),
        "environment": environment(),
        "sets": {
            "synthetic": sets.labelled.description,
            "test": sets.test.description,
            "fingerprints": {**sets.fingerprints, "test": sets.test.images.fingerprint},
        },
        "confidence": config.confidence,
        "unrefined": [
            {
                "parts": parts,
                "images": records["synthetic"][parts][0]["images"],
                "errors": errors,
                "mean": plain(vars(over_seeds(errors, config.confidence))),
            }
            for parts, errors in unrefined.items()
        ],
        "arms": [
            {**_described(arm, plan.of(arm), records["runs"]), **numbers[arm.name]}
            for arm in plan.arms
        ],
        "notes": [
            *_gain(numbers[BASE]["against_unrefined"]),
            *plan.notes,
            *_notes(config, plan, records["runs"]),
        ],
        "seconds": seconds,
    }


def _errors(looks: list[dict[str, Any] | None]) -> list[float | None]:
    return [None if look is None else look["error"] for look in looks]


def _described(arm: Arm, runs: list[Run], known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": arm.name,
        "ablation": arm.ablation,
        "label": arm.label,
        "changes": dict(arm.changes),
        "parts": arm.parts,
        "steps": runs[0].looks[-1],
        "updates": runs[0].updates[-1],
        "looks": [
            {"step": step, "updates": updates}
            for step, updates in zip(runs[0].looks, runs[0].updates, strict=True)
        ],
        "seeds": [{"seed": run.seed, "run": run.name, **plain(known[run.name])} for run in runs],
    }


def _gain(against: Mapping[str, Any] | None) -> list[str]:
    """What refinement itself is worth: the base beside unrefined images."""
    if against is None:
        return []
    found = against["difference"]
    return [
        f"the base is better than unrefined images by {number(found['value'], signed=True)} "
        f"degrees (interval {interval(found, signed=True)}, p {probability(against['p'])})"
    ]


def _notes(config: AblateConfig, plan: Plan, known: Mapping[str, Any]) -> list[str]:
    notes = []
    if config.seeds == 1:
        notes.append("one seed: no interval, no test; a second refiner may say the opposite")
    elif config.seeds < FEW_SEEDS:
        notes.append(f"{config.seeds} seeds are few: intervals over them are wide")
    notes.append("intervals are over refiner seeds, for this one test set")
    if any(arm.ablation == "data" for arm in plan.arms):
        notes.append(
            "data: the base has all synthetic images (4x), the arm 1x every fourth of them; "
            "estimators take equally many steps"
        )
    if config.match_labels is not None and not estimators_match(config):
        notes.append("match_labels is for the refiners; estimators are trained on all labels")
    for run in plan.runs:
        if known[run.name]["failed"] is not None:
            notes.append(f"{run.title} is missing: {known[run.name]['failed']}")
    return notes


def write_results(folder: Path, report: dict[str, Any]) -> list[Path]:
    """Write the files of a report; ablation.json comes last.

    Raises:
        DiskError: one cannot be written.
    """
    files = {TABLE_FILE: markdown(report).encode()}
    if importlib.util.find_spec("matplotlib") is not None:
        from simgan.engine.evaluation.ablation.figures import draw_bars, draw_stability

        files[BARS_FILE] = draw_bars(report)
        files[STABILITY_FILE] = draw_stability(report)
    files[JSON_FILE] = (json.dumps(report, indent=1, allow_nan=False) + "\n").encode()
    for name, data in files.items():
        replace_file(folder / name, data)
    return [folder / name for name in files]
