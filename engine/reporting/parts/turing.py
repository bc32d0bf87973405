"""Whether people can tell refined images from real ones: what `turing` found."""

from typing import Any

from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

COLUMNS = ("rater", "answers", "right, %", "p", "seconds per image, median")
LISTED = 20


def fill(part: Part, values: dict[str, Any]) -> None:
    """A sentence, the confusion matrix and the raters of each set, then the hardest images."""
    confidence = values["confidence"]
    for found in values["parts"]:
        pooled, name = found["pooled"], found["part"]
        if pooled["answers"]:
            part.sentences.append(_verdict(name, pooled, len(found["raters"]), confidence))
        answers = list(dict.fromkeys(a for row in pooled["confusion"].values() for a in row))
        matrix = [
            [truth, *(number(row.get(answer, 0)) for answer in answers)]
            for truth, row in pooled["confusion"].items()
        ]
        headings = ("truth", *(f"called {answer}" for answer in answers))
        part.tables.append(Table(f"{name}: confusion matrix", headings, matrix))
        raters = [_rater(row, row["rater"]) for row in found["raters"]]
        part.tables.append(Table(f"{name}: by rater", COLUMNS, [*raters, _rater(pooled, "all")]))
    hardest = sorted(values["images"], key=lambda image: float(image["share"] or 0))[:LISTED]
    rest = {"hardest images": hardest, "settings": values["settings"]}
    generic.fill(part, rest, folded=True)


def _verdict(name: str, pooled: dict[str, Any], raters: int, confidence: float) -> Sentence:
    low, high = pooled["interval"]
    told = (
        f"Turing test: {raters} {'rater' if raters == 1 else 'raters'} told {name} from real "
        f"images in {pooled['accuracy']:.0%} of {pooled['answers']:,} answers "
        f"({confidence:.0%} interval {low:.0%} to {high:.0%}, p = {number(pooled['p'], 2)})"
    )
    if low > 0.5:
        return Sentence("bad", f"{told}: people can tell them apart.")
    if high < 0.5:
        return Sentence("fact", f"{told}: more often wrong than right.")
    return Sentence("open", f"{told}: that may be guessing.")


def _rater(row: dict[str, Any], name: object) -> list[str]:
    right = "-" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f}"
    if row["accuracy"] is not None and row["interval"]:
        low, high = (100 * end for end in row["interval"])
        right += f" ({low:.1f} to {high:.1f})"
    seconds = number(row.get("median_seconds"), 2)
    return [str(name), f"{row['answers']:,}", right, number(row["p"], 2), seconds]


KIND = PartKind(
    title="Visual Turing test",
    anchor="turing",
    folders=("turing",),
    files=("results.json",),
    absent="No visual Turing test was given: whether people can tell refined images from real "
    "ones was not tried.",
    fill=fill,
)
