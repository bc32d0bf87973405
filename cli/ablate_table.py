"""The report of an ablation as a table for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from simgan.cli.bench_table import make_console, make_table
from simgan.engine.evaluation.ablation.markdown import HEADER, rows

COLUMNS = ("", "error", "interval", "better by", "interval", "p (Holm)", "spread", "jump")
LEFT_OUT = HEADER.index("p")  # for want of columns; it is in the files


def show(
    report: Mapping[str, Any], files: Sequence[Path] = (), console: Console | None = None
) -> None:
    """Print the errors of all arms, their differences to the base, and what to bear in mind."""
    console = console or make_console()
    console.print(_table(report))
    console.print(
        "better by: than the base, paired by seed; spread: of the seeds; "
        "jump: between two looks, root mean square / sqrt 2",
        style="dim",
    )
    for note in report["notes"]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    for file in files:
        console.print(f"wrote {file}", markup=False, soft_wrap=True)


def _table(report: Mapping[str, Any]) -> Table:
    count = len(report["arms"][0]["seeds"])
    seeds = "one refiner seed" if count == 1 else f"{count} refiner seeds"
    table = make_table(
        f"mean angular error of {seeds} in degrees, {report['confidence']:.0%} intervals", COLUMNS
    )
    for cells in rows(report):
        kept = [cell for place, cell in enumerate(cells) if place != LEFT_OUT]
        table.add_row(*kept, style="bold" if cells[0] == "base" else None)
    return table
