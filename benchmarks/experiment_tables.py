"""The tables and the figure of docs/experiments.md, made from docs/results."""

import json
from pathlib import Path
from typing import Any

import numpy as np

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "experiments.md"
MARKS = "<!-- {}:begin -->", "<!-- {}:end -->"


def write_tables() -> None:
    """Put every recorded result into the page, between its marks."""
    text = PAGE.read_text()
    for file in sorted((DOCS / "results").iterdir()):
        if file.suffix == ".json":
            text = _between(text, file.stem, tables(json.loads(file.read_text())))
        elif file.suffix == ".md":
            text = _between(text, file.stem, file.read_text().strip())
    PAGE.write_text(text)


def _between(text: str, name: str, table: str) -> str:
    begin, end = (mark.format(name) for mark in MARKS)
    if begin not in text:
        return text
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def tables(result: dict[str, Any]) -> str:
    """Errors by arm, comparisons and the label check of one experiment, as Markdown."""
    parts = [_errors(result)]
    shifts = _shifts(result["labels"])
    if shifts:
        parts.append(shifts)
    parts.append(_origin(result))
    return "\n\n".join(parts)


def _errors(result: dict[str, Any]) -> str:
    count = result["plan"]["replications"]
    rows = [
        f"| estimator | trained on | mean error, degrees ({count} replications) | by replication | "
        "better than | by |",
        "|---|---|---|---|---|---|",
    ]
    for estimator, item in result["estimators"].items():
        for arm, errors in item["errors"].items():
            each = ", ".join(f"{e:.2f}" for e in errors)
            row = f"| {estimator} | {arm} | {np.mean(errors):.2f} | {each} |"
            against = item["comparisons"].get(arm)
            if against is None:
                rows.append(f"{row} | |")
                continue
            gain = against["gain"]
            rows.append(
                f"{row} {against['reference']} | {gain['value']:+.1%} "
                f"({gain['low']:+.1%} .. {gain['high']:+.1%}), p = {against['p']:.2g} |"
            )
    return "\n".join(rows)


def _shifts(labels: list[dict[str, Any]]) -> str:
    lines = []
    for seed, report in enumerate(labels):
        pupil = report["measures"].get("pupil")
        if pupil:
            mean, deviation, p95 = pupil["mean"]["value"], pupil["sd"], pupil["p95"]["value"]
            failed = pupil["failed"]["pairs"]
            lines.append(
                f"| {seed} | {mean:.2f} +- {deviation:.2f} | {pupil['median']['value']:.2f} | "
                f"{p95:.2f} | {failed} of {report['pairs']} |"
            )
    head = (
        "| refiner | pupil shift, px at 55 px | median | 95 % | fits left out |",
        "|---" * 5 + "|",
    )
    return "\n".join((*head, *lines)) if lines else ""


def _origin(result: dict[str, Any]) -> str:
    machine = result["environment"]
    return (
        f"`python benchmarks/experiments.py {result['name']}`, commit {result['commit']}, torch "
        f"{machine.get('torch', '?')}; [everything]({'results/' + result['name']}.json)."
    )
