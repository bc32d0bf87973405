"""`simgan-engine inspect`: what a folder or file of images holds, and what would be refused."""

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simgan.cli import settings
from simgan.engine.config import DataPolicy

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LISTED = 10
LEVELS = " .:-=+*#%@"


@click.command("inspect", cls=settings.SettingsCommand)
@click.argument("path", type=click.Path())
@click.option(
    "--contact-sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the PNG goes that shows some of the images with their labels "
    "(default: a file in the temporary folder).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings.config_options(DataPolicy)
def command(path: str, contact_sheet: Path | None, as_json: bool, **params: Any) -> None:
    """Say what a folder or file of images holds, and what of it training would refuse.

    Every image is read once; nothing is changed.
    """
    from simgan.engine.inspection import inspect

    policy = settings.policy_of(params)
    sheet = contact_sheet or Path(tempfile.gettempdir(), f"contact-sheet-{_stem(path)}.png")
    report = inspect(path, policy, sheet)
    report["contact_sheet"] = str(sheet) if report["count"] else None
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    _print(report)
    if report["count"]:
        click.echo(f"\ncontact sheet: {sheet}")


def _stem(path: str) -> str:
    """Part of a file name that tells one set from another."""
    return re.sub(r"\W+", "-", str(Path(path).resolve().name or "images"))


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in _rows(report):
        table.add_row(name, _printable(text))
    console.print(table)
    if report["labels"]:
        console.print()
        console.print(_labels(report["labels"]))
    _list(console, "notes", report["notes"])
    for title, key, text in (
        ("odd, but readable", "warnings", "warning"),
        ("left out (damaged, or without label)", "problems", "reason"),
        ("refused", "refused", "reason"),
    ):
        lines = [_entry(entry["name"], entry[text]) for entry in report[key]]
        _list(console, title, lines)
    _list(console, "train would refuse this set", report["would_refuse"], limit=None)
    if not report["would_refuse"]:
        console.print("\ntrain would accept this set", style="green")


def _rows(report: dict[str, Any]) -> Iterable[tuple[str, str]]:
    left_out = report["total"] - report["count"]
    yield "set", report["location"]
    yield "format", report["format"]
    yield "images", f"{report['count']:,}" + (f" of {report['total']:,}" if left_out else "")
    if not report["count"]:
        return
    sizes = [f"{s['height']}x{s['width']} ({s['count']:,})" for s in report["sizes"][:LISTED]]
    more = len(report["sizes"]) - LISTED
    yield "height x width", ", ".join(sizes) + (f" and {more:,} more sizes" if more > 0 else "")
    kinds = {"1": "gray", "3": "RGB"}
    yield "channels", ", ".join(f"{kinds[k]} ({n:,})" for k, n in report["channels"].items())
    depths = {"uint8": "8-bit", "uint16": "16-bit"}
    yield "depth", ", ".join(f"{depths[k]} ({n:,})" for k, n in report["dtypes"].items())
    values, histogram = report["values"], report["histogram"]
    yield "values", f"{values['min']:g} to {values['max']:g}, mean {values['mean']:.4g}"
    bars = _bars(histogram["counts"])
    yield "histogram", f"{histogram['low']:g} |{bars}| {histogram['high']:g}"
    if report["value_range"]:
        low, high = report["value_range"]
        clipped = f", {report['clipped']:,} values outside" if report["clipped"] else ""
        yield "-1 and 1 are", f"{low:g} and {high:g}{clipped}"
    if report["sidecars"]:
        yield "label files", f"{report['sidecars']:,} beside images"
    if report["shared_files"]:
        names = report["shared_files"]
        listed = ", ".join(names[:LISTED])
        rest = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
        yield "files of the set", listed + rest


def _bars(counts: list[int]) -> str:
    """A histogram in one line of ASCII; anything present is at least a dot."""
    most = max(counts) or 1
    top = len(LEVELS) - 1
    return "".join(LEVELS[-(-count * top // most)] for count in counts)


def _labels(labels: dict[str, Any]) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("label", "shape", "type", "least", "greatest"):
        table.add_column(heading, header_style="bold")
    for name, facts in labels.items():
        low, high = (" ".join(f"{v:.4g}" for v in facts[key]) for key in ("min", "max"))
        shape = " x ".join(f"{n:,}" for n in facts["shape"])
        table.add_row(_printable(name), shape, facts["dtype"], low, high)
    return table


def _list(console: "Console", title: str, lines: list[str], limit: int | None = LISTED) -> None:
    if not lines:
        return
    console.print(f"\n{title}: {len(lines):,}", style="bold")
    for line in lines[:limit]:
        console.print(f"  {_printable(line)}")
    if limit is not None and len(lines) > limit:
        console.print(f"  and {len(lines) - limit:,} more (--json lists all)")


def _entry(name: str, reason: str) -> str:
    return reason if reason.startswith(name) else f"{name}: {reason}"


def _printable(text: str) -> str:
    """Names may hold bytes that are no UTF-8; a terminal must get text."""
    return text.encode("utf-8", "replace").decode()
