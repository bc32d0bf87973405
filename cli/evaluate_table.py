"""The report of an evaluation as tables for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS = 100
Row = Mapping[str, Any]


def show(report: Row, files: Sequence[Path] = (), console: Console | None = None) -> None:
    """Print errors, the comparison with the first arm, persons, and what to bear in mind."""
    console = console or _console()
    console.print(_errors(report))
    if report["comparisons"]:
        console.print(_comparisons(report))
    if "joints" in report:
        console.print(_joints(report))
    if len(report["persons"]) > 1:
        console.print(_persons(report))
    for note in report["notes"]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
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


def _errors(report: Row) -> Table:
    """Arms, each with its seeds and simple estimators."""
    near = list(report["arms"][0]["within"])
    share = f"{report['confidence']:.0%}"
    table = _table(
        f"{report['error']} on {report['images']:,} test images, {report['unit']} "
        f"({share} bootstrap over {report['resampled']})",
        *("", "mean", "interval", "median", "interval"),
        *(f"within {limit}" for limit in near),
    )
    for arm in report["arms"]:
        table.add_row(*_cells(f"{arm['name']}: CNN", arm, near), style="bold")
        if len(arm["seeds"]) > 1:
            for row in arm["seeds"]:
                name = f"  seed {row['seed']}, step {row['best_step']:,}"
                table.add_row(*_cells(name, row, near), style="dim")
        for row in report["baselines"]:
            if row["arm"] == arm["name"]:
                setting = f", {row['setting']}" if row["setting"] else ""
                table.add_row(*_cells(f"  {row['name']}{setting}", row, near))
    return table


def _cells(name: str, row: Row, near: Sequence[str]) -> list[str]:
    mean, median = row["mean"], row["median"]
    shares = (f"{row['within'][limit]['value']:.1%}" for limit in near)
    return [
        name,
        f"{mean['value']:.2f}",
        _interval(mean),
        f"{median['value']:.2f}",
        _interval(median),
        *shares,
    ]


def _interval(estimate: Row, form: str = "{:.2f}") -> str:
    if estimate["low"] is None:
        return "unknown"
    return f"{form.format(estimate['low'])} .. {form.format(estimate['high'])}"


def _comparisons(report: Row) -> Table:
    reference = report["comparisons"][0]["reference"]
    table = _table(
        f"better than {reference} by (same seeds and images; t test, seeds and "
        f"{report['resampled'].split()[0]} random)",
        *("", report["unit"], "interval", "gain", "interval", "p", "by seed"),
    )
    for row in report["comparisons"]:
        table.add_row(
            row["arm"],
            f"{row['difference']['value']:+.2f}",
            _interval(row["difference"], "{:+.2f}"),
            f"{row['gain']['value']:+.1%}",
            _interval(row["gain"], "{:+.1%}"),
            "unknown" if row["p"] is None else f"{row['p']:.2g}",
            " ".join(f"{value:+.2f}" for value in row["per_seed"]),
        )
        for limit, share in row.get("within", {}).items():
            table.add_row(
                f"  share within {limit}",
                f"{share['difference']['value']:+.1%}",
                _interval(share["difference"], "{:+.1%}"),
                "",
                "",
                "unknown" if share["p"] is None else f"{share['p']:.2g}",
                " ".join(f"{value:+.1%}" for value in share["per_seed"]),
            )
    return table


def _joints(report: Row) -> Table:
    arms = [arm["name"] for arm in report["arms"]]
    (first, *_) = report["arms"][0]["within"]
    table = _table(f"mean {report['unit']} (share within {first}) by joint", "joint", *arms)
    for row in report["joints"]:
        errors = (row["arms"][arm] for arm in arms)
        table.add_row(row["name"], *(f"{e['mean']:.2f} ({e['within'][first]:.1%})" for e in errors))
    return table


def _persons(report: Row) -> Table:
    arms = [arm["name"] for arm in report["arms"]]
    table = _table("mean (median) by person", "person", "images", *arms)
    for row in report["persons"]:
        errors = (row["arms"][arm] for arm in arms)
        table.add_row(
            str(row["person"]),
            f"{row['images']:,}",
            *(f"{e['mean']:.2f} ({e['median']:.2f})" for e in errors),
        )
    return table
