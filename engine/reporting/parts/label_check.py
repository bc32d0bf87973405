"""How far refinement moved what the labels describe: what `check-labels` found."""

from collections.abc import Iterator
from typing import Any

from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.generic import cell, estimate, words
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

FIRST = ("pupil", "points")  # measures of position, for the summary
COLUMNS = ("measure", "images", "mean", "median", "95 % are below")


def fill(part: Part, values: dict[str, Any]) -> None:
    """Failures of limits, then how far things moved, then every measure."""
    failures = [str(text) for text in values["failures"]]
    part.sentences += [Sentence("bad", f"Label check failed: {text}.") for text in failures]
    measures = dict(values["measures"])
    compared = values["pairs"]["compared"]
    for name in FIRST:
        if measures.get(name, {}).get("median"):
            found = measures[name]
            text = (
                f"Label check: {found.get('name', name).replace('_', ' ')} moved by "
                f"{number(found['median']['value'], 2)} {values['unit']} in the median, 95 % of "
                f"images by less than {number(found['p95']['value'], 2)} (measured in "
                f"{found['images']:,} of {compared:,} pairs)."
            )
            part.sentences.append(Sentence("fact", text))
    rows = list(_rows("", measures))
    if rows:
        part.tables.append(
            Table(f"Measures, {values['unit']} where they are lengths", COLUMNS, rows)
        )
    rest = {k: v for k, v in values.items() if k not in ("measures", "failures")}
    generic.fill(part, {k: v for k, v in measures.items() if not list(_rows("", {k: v}))})
    generic.fill(part, rest, folded=True)


def _rows(outer: str, measures: dict[str, Any]) -> Iterator[list[str]]:
    """One for each measure that has a median, however deep it lies."""
    for key, values in measures.items():
        if not isinstance(values, dict):
            continue
        name = f"{outer}, {words(key)}" if outer else words(key)
        if "median" in values and "mean" in values:
            texts = (values["mean"], values["median"], values.get("p95"))
            yield [
                name,
                str(cell(values.get("images"))),
                *(estimate(v) if isinstance(v, dict) else str(cell(v)) for v in texts),
            ]
        yield from _rows(name, values)


KIND = PartKind(
    title="Label check",
    anchor="label-check",
    folders=("label-check",),
    files=("check.json",),
    absent="No label check was given: whether the labels still describe the refined images was "
    "not checked.",
    fill=fill,
)
