"""The report of a realism check as tables for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS = 100
Row = Mapping[str, Any]


def show(report: Row, files: Sequence[Path] = (), console: Console | None = None) -> None:
    """Print the tests, the pixel statistics, and what to bear in mind."""
    if console is None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=COLUMNS)
    console.print(_kernel(report))
    console.print(_classifier(report))
    console.print(_pixels(report))
    for note in report["notes"]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    for file in files:
        console.print(f"wrote {file}", markup=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _kernel(report: Row) -> Table:
    features = report["features"]
    table = _table(
        f"kernel distance to real (0 is ideal; {features['description']}, "
        f"{features['dimensions']:,} features)",
        *("", "images", "KID", f"{report['confidence']:.0%} interval", "p (same)"),
    )
    for row in report["comparisons"]:
        kid = row["kid"]
        table.add_row(
            row["set"],
            " and ".join(f"{count:,}" for count in row["images"]),
            f"{kid['value']:.3g}",
            f"{kid['low']:.3g} .. {kid['high']:.3g}",
            "-" if kid["p"] is None else f"{kid['p']:.2g}",
        )
    return table


def _classifier(report: Row) -> Table:
    share = f"{report['confidence']:.0%}"
    table = _table(
        "fresh discriminators told them from real (50 % is ideal)",
        *("", "patches right", f"{share} over seeds", "images right", f"{share} exact", "tested"),
    )
    for row in report["comparisons"]:
        test = row["classifier"]
        spread = "unknown"
        if test["patch_low"] is not None:
            spread = f"{test['patch_low']:.1%} .. {test['patch_high']:.1%}"
        table.add_row(
            row["set"],
            f"{test['patch_accuracy']:.1%}",
            spread,
            f"{test['image_accuracy']:.1%}",
            f"{test['image_low']:.1%} .. {test['image_high']:.1%}",
            f"2 x {test['tested']:,}",
        )
    return table


def _pixels(report: Row) -> Table:
    table = _table(
        "pixels, gray levels of 255 (mean +- deviation; Wasserstein-1 distance to real)",
        *("", "gray", "distance", "gradient", "distance", "spectrum, dB"),
    )
    distances = {row["set"]: row["pixels"] for row in report["comparisons"]}
    for name in (*distances, "real"):
        own = report["statistics"][name]
        away = distances.get(name)
        table.add_row(
            name,
            f"{own['gray_mean']:.1f} +- {own['gray_deviation']:.1f}",
            f"{away['gray']:.2f}" if away else "",
            f"{own['gradient_mean']:.2f} +- {own['gradient_deviation']:.2f}",
            f"{away['gradient']:.2f}" if away else "",
            f"{away['spectrum_db']:.2f}" if away else "",
        )
    chance = report["real_halves"]
    table.add_row(
        *("two halves of real", "", f"{chance['gray']:.2f}", "", f"{chance['gradient']:.2f}"),
        f"{chance['spectrum_db']:.2f}",
        style="dim",
    )
    return table
