"""The results of a visual Turing test as sentences and tables for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS = 100
SHOWN = 5  # hardest and easiest images
Row = Mapping[str, Any]


def plan_sentences(plan: Sequence[Row], raters: int) -> list[str]:
    """What a test will be able to find, a sentence per part."""
    sentences = []
    for row in plan:
        people = "" if raters == 1 else f" of {raters} raters"
        found = row["pooled"]
        able = (
            "no accuracy can be significant"
            if found is None
            else f"an accuracy of {found:.1%} or more is detected with {row['power']:.0%} power"
        )
        sentences.append(
            f"{row['part']} against real: with {row['answers']:,} answers{people} {able} "
            f"(exact two-sided binomial test, {row['alpha']:.0%})"
        )
    return sentences


def show(report: Row, console: Console | None = None) -> None:
    """Print for each part: the verdict, the confusion matrix, raters, and extreme images."""
    console = console or _console()
    done = f"{report['finished']} of {report['raters']} raters have finished"
    console.print(done if report["raters"] else "nobody has begun", markup=False)
    for part in report["parts"]:
        if part["pooled"]["answers"]:
            _show_part(part, report, console)


def _console() -> Console:
    """100 columns where nothing says otherwise: a file or a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=COLUMNS)


def _show_part(part: Row, report: Row, console: Console) -> None:
    pooled = part["pooled"]
    console.print(f"\n[bold]{part['part']} against real[/bold]")
    console.print(verdict(part), markup=False, soft_wrap=True)
    console.print(_confusion(pooled, part["part"]))
    console.print(_raters(part))
    console.print(
        f"better than guessing, one-sided: p = {pooled['p_better']:.3g}; by permutation of the "
        f"truth over images, which allows that raters agree: p = {pooled['p_by_image']:.3g}",
        soft_wrap=True,
    )
    images = [row for row in report["images"] if row["part"] == part["part"]]
    console.print(_images(images))


def verdict(part: Row) -> str:
    """One sentence: could they tell?"""
    pooled = part["pooled"]
    low, high = pooled["interval"]
    numbers = (
        f"{pooled['right']:,} of {pooled['answers']:,} right, {pooled['accuracy']:.1%} "
        f"({low:.1%} to {high:.1%}), p = {pooled['p']:.3g}"
    )
    if pooled["p"] > 0.05:
        return f"no sign that {part['part']} and real images can be told apart: {numbers}"
    how = "can be told apart" if pooled["accuracy"] > 0.5 else "are taken for each other"
    return f"{part['part']} and real images {how}: {numbers}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _confusion(pooled: Row, part: str) -> Table:
    table = _table("truth", "called real", "called synthetic")
    for truth in ("real", part):
        row = pooled["confusion"][truth]
        table.add_row(truth, f"{row['real']:,}", f"{row['synthetic']:,}")
    return table


def _raters(part: Row) -> Table:
    table = _table("rater", "right", "answers", "accuracy", "95% interval", "p", "median time")
    rows = [*part["raters"], part["pooled"]] if len(part["raters"]) > 1 else part["raters"]
    for row in rows:
        if not row["answers"]:
            continue
        name = "all" if row["rater"] is None else row["rater"]
        unfinished = "" if row["finished"] or row["rater"] is None else " (unfinished)"
        low, high = row["interval"]
        seconds = row["median_seconds"]
        table.add_row(
            name.replace("[", "\\[") + unfinished,
            f"{row['right']:,}",
            f"{row['answers']:,}",
            f"{row['accuracy']:.1%}",
            f"{low:.1%} .. {high:.1%}",
            f"{row['p']:.3g}",
            "unknown" if seconds is None else f"{seconds:.1f} s",
        )
    return table


def _images(images: Sequence[Row]) -> Table:
    table = _table("hardest and easiest images", "truth", "right", "answers")
    some = images if len(images) <= 2 * SHOWN else [*images[:SHOWN], *images[-SHOWN:]]
    for row in some:
        name = row["name"].encode("utf-8", "replace").decode().replace("[", "\\[")
        table.add_row(name, row["truth"], f"{row['right']:,}", f"{row['answers']:,}")
    return table
