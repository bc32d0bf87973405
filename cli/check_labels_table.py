"""The report of a label check as a table for a terminal of 100 columns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS = 100
Row = Mapping[str, Any]


def show(report: Row, files: Sequence[Path] = (), console: Console | None = None) -> None:
    """Print the measures, the estimator's errors, and what to bear in mind."""
    console = console or _console()
    rows = list(_rows(report["measures"]))
    if rows:
        console.print(_measures(report, rows))
    if "estimator" in report["measures"]:
        console.print(_estimator(report))
    for line in (*_left_out(report), *report["notes"]):
        console.print(f"note: {line}", markup=False, soft_wrap=True)
    for file in files:
        console.print(f"wrote {file}", markup=False, soft_wrap=True)


def _console() -> Console:
    """100 columns where nothing says otherwise: a file or a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=COLUMNS)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _rows(measures: Row) -> Iterator[tuple[str, Row]]:
    """Name and summary of every line."""
    if "pupil" in measures:
        yield "pupil centre", measures["pupil"]
        if measures["pupil"]["fit_error"] is not None:
            yield "  fit against label", measures["pupil"]["fit_error"]
    if "points" in measures:
        yield f"points ({measures['points']['name']})", measures["points"]
    for quantile, row in measures.get("flow", {}).items():
        yield f"flow, {quantile[1:]} % of pixels", row
    if "edges" in measures:
        yield "edges, correlation", measures["edges"]["correlation"]
        yield "edges, overlap", measures["edges"]["overlap"]


def _measures(report: Row, rows: Sequence[tuple[str, Row]]) -> Table:
    share = f"{report['confidence']:.0%}"
    table = _table(
        f"what moved in {report['pairs']['compared']:,} of {report['pairs']['found']:,} pairs, "
        f"{report['unit']} ({share} bootstrap)",
        *("", "pairs", "mean +- sd", "interval", "median", "interval", "worst 5 %"),
    )
    for name, row in rows:
        deviation = "" if row["sd"] is None else f" +- {row['sd']:.2f}"
        table.add_row(
            name,
            f"{row['images']:,}",
            f"{row['mean']['value']:.2f}{deviation}",
            _interval(row["mean"]),
            f"{row['median']['value']:.2f}",
            _interval(row["median"]),
            _worst(row, name),
        )
    return table


def _worst(row: Row, name: str) -> str:
    """What one pair in twenty is worse than: edges agree less, everything else moves more."""
    if name.startswith("edges"):
        return f"< {row['p5']['value']:.2f}"
    return f"> {row['p95']['value']:.2f}"


def _interval(estimate: Row, form: str = "{:.2f}") -> str:
    if estimate["low"] is None:
        return "unknown"
    return f"{form.format(estimate['low'])} .. {form.format(estimate['high'])}"


def _estimator(report: Row) -> Table:
    row = report["measures"]["estimator"]
    moved = row["prediction_shift"]
    table = _table(
        f"an estimator trained on {row['trained_on']:,} synthetic images, on {row['images']:,} "
        "others, degrees",
        *("synthetic", "refined", "change", "interval", "predictions moved, median", "p95"),
    )
    table.add_row(
        f"{row['error_synthetic']:.2f}",
        f"{row['error_refined']:.2f}",
        f"{row['change']['value']:+.2f}",
        _interval(row["change"], "{:+.2f}"),
        f"{moved['median']['value']:.2f}",
        f"{moved['p95']['value']:.2f}",
    )
    return table


def _left_out(report: Row) -> Iterator[str]:
    """Sentences about what could not be measured."""
    measures = report["measures"]
    if "pupil" in measures:
        failed = measures["pupil"]["failed"]
        x, y = (measures["pupil"][name]["value"] for name in ("mean_x", "mean_y"))
        yield f"the pupil's centre moved by ({x:+.2f}, {y:+.2f}) px in the mean, right and down"
        if failed["pairs"]:
            yield (
                f"no iris in {failed['pairs']:,} pairs, left out: {failed['synthetic']:,} "
                f"synthetic, {failed['refined']:,} refined, {failed['lost']:,} lost"
            )
    if "points" in measures:
        points = measures["points"]["points"]
        if points["measured"] < points["all"]:
            yield (
                f"{points['measured']:,} of {points['all']:,} points measured: "
                f"{points['outside']:,} near the border, {points['flat']:,} with flat "
                f"surroundings, {points['unlike']:,} not recognised again"
            )
    for name, reason in report["skipped"].items():
        yield f"{name} left out: {reason}"
