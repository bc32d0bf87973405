"""The table of `bench --compare`: medians then and now."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from simgan.cli.bench_table import make_console, make_table, seconds

SHOWN = 3  # rows that only one of the reports has; --json names all


def show_comparison(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what differs between the two runs, then their shared rows."""
    console = console or make_console()
    console.print()
    for sentence in found["differences"]:
        console.print(f"differs: {sentence}", soft_wrap=True)
    since = f"compared with {found['old_commit'] or 'an unknown commit'} of {found['old_date']}"
    if found["differences"]:
        since += "; ratios below mix the code with what differs"
    if not found["rows"]:
        console.print(f"{since}: no row was timed in both", soft_wrap=True)
    else:
        table = make_table(since, ("", "then", "now", "then/now"))
        for row in found["rows"]:
            table.add_row(
                row["name"],
                seconds(row["old_seconds"]),
                seconds(row["new_seconds"]),
                f"{row['speedup']:.2f}",
            )
        console.print(table)
    for name, when in (("only_old", "then"), ("only_new", "now")):
        if found[name]:
            console.print(f"timed only {when}: {_few(found[name])}", soft_wrap=True)


def _few(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
