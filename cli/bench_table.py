"""The benchmark's report as tables for a terminal of 100 columns."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from simgan.cli import words

COLUMNS = 100
BUSY = 0.5  # load per core above which other programs disturb the times
Row = Mapping[str, Any]
NETWORKS = {
    "refine": "refine: R(x) of one batch",
    "step": "step: one full step of Algorithm 1",
}


def show(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the header, one table per kind of case, and the summary."""
    console = console or _console()
    _print_header(report["header"], console)
    for case, title in NETWORKS.items():
        rows = [row for row in report["cases"] if row["case"] == case]
        if rows:
            console.print(_networks(rows, f"{title}, {_input(rows)}"))
    ops = [row for row in report["cases"] if row.get("mode")]
    if ops:
        console.print(_operations(ops))
    for row in report["cases"]:
        if row["case"] == "loop":
            _print_loop(row, console)
    _print_summary(report["summary"], console)


def _console() -> Console:
    """100 columns where nothing says otherwise: a file or a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=COLUMNS)


def seconds(value: float) -> str:
    """2.0512 -> '2.051 s'; 0.0042 -> '4.200 ms'; 0.0000042 -> '4.2 us'."""
    if value >= 1:
        return f"{value:.3f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"


def _print_header(header: Row, console: Console) -> None:
    gpu = header["gpu"]["name"] if header["gpu"] else None
    hardware = [gpu, header["cpu"], f"{header['threads']} threads"]
    versions = [f"{name} {header[name]}" for name in ("torch", "triton", "python")]
    backends = ", ".join(f"{op} {name}" for op, name in header["backends"].items())
    load = header["load_before"]
    rows = [
        ("hardware", ", ".join(filter(None, hardware))),
        ("software", ", ".join([f"simgan-engine {header['simgan-engine']}", *versions])),
        ("commit", f"{header['commit'] or 'unknown'}, {header['date']}"),
        ("command", header["command"]),
        ("precision", header["precision"] + (", --quick: small sizes" if header["quick"] else "")),
        ("backends", backends),
    ]
    if load is not None and load > BUSY * header["cores"]:
        rows.append(("busy", f"load {load:.1f} before the start: trust the ratios, not the times"))
    console.print(words.table(rows), soft_wrap=True)


def _input(rows: list[Row]) -> str:
    shape = "x".join(map(str, rows[0]["shape"]))
    return f"{shape} {rows[0]['dtype']}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _networks(rows: list[Row], title: str) -> Table:
    table = _table(title, "", "median", "p10 .. p90", "images/s", "GFLOP/s", "time/ours", "error")
    for row in rows:
        if row["skipped"]:
            continue
        if row["seconds"] is None:
            table.add_row(row["variant"], "not timed", "", "", "", "", _error(row))
            continue
        table.add_row(
            row["variant"],
            seconds(row["seconds"]["median"]),
            _spread(row["seconds"]),
            f"{row['images_per_s']:,.1f}",
            f"{row['gflop_per_s']:,.0f}",
            f"{row['time_over_ours']:.2f}" if row["time_over_ours"] else "",
            _error(row),
        )
    skipped = [row for row in rows if row["skipped"]]
    if skipped:
        table.caption = "; ".join(f"{row['variant']}: {row['skipped']}" for row in skipped)
        table.caption_justify = "left"
    return table


def _spread(times: Mapping[str, float]) -> str:
    """p10 and p90 in the unit of the median."""
    unit = seconds(times["median"]).split()[1]
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit]
    return " .. ".join(f"{times[name] * scale:.3g}" for name in ("p10", "p90"))


def _operations(rows: list[Row]) -> Table:
    table = _table("operations; * runs by default", "", "", "median", "rate", "time/*", "error")
    table.columns[1].justify = "left"
    before = None
    for row in rows:
        name = f"{row['case']}, {row['mode'].replace('forward+backward', 'and backward')}"
        label, before = ("" if name == before else name), name
        variant = row["variant"] + (" *" if row["chosen"] else "")
        if row["seconds"] is None:
            table.add_row(label, variant, "not timed", "", "", _error(row))
            continue
        over = row["time_over_ours"]
        table.add_row(
            label,
            variant,
            seconds(row["seconds"]["median"]),
            _rate(row),
            f"{over:.2f}" if over else "",
            _error(row),
        )
    return table


def _rate(row: Row) -> str:
    if row["gflop_per_s"] is not None:
        return f"{row['gflop_per_s']:,.0f} GFLOP/s"
    return f"{row['gb_per_s']:,.2f} GB/s"


def _error(row: Row) -> str:
    if row["gate"] is None:
        return ""
    error = row["error"]
    text = "not finite" if error is None else f"{error:.0e}"
    return text if row["gate"] == "green" else f"RED {text}"


def _print_loop(row: Row, console: Console) -> None:
    chores = ", ".join(
        f"{name} {seconds(value)} every {row['chores_every'][name]}"
        for name, value in row["chores_seconds"].items()
    )
    share = row["cpu_efficiency"]
    in_cpu = f" ({share:.1%} in CPU seconds)" if share is not None else ""
    rows = [
        ("training loop", f"{seconds(row['seconds']['median'])} a step, {chores}"),
        ("bare step", seconds(row["bare_step_seconds"])),
        ("efficiency", f"{row['efficiency']:.1%} of the bare step's throughput{in_cpu}"),
    ]
    console.print(words.table(rows), soft_wrap=True)


def _print_summary(summary: Row, console: Console) -> None:
    gates = summary["gates"]
    lines = [f"gates: {gates if isinstance(gates, str) else 'RED ' + ', '.join(gates)}"]
    for case in ("refine", "step"):
        ratio = summary[f"{case}_vs_best_torch"]
        if ratio is not None:
            lines.append(f"{case}: {ratio:.2f} times the speed of the best plain PyTorch here")
    console.print("\n".join(lines))
