"""The report's tables on single operations, the insides of a call, the loop, disks and scaling."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from simgan.cli import words
from simgan.cli.bench_table import (
    error,
    label,
    make_table,
    per_second,
    rate,
    seconds,
    share,
    spread,
)
from simgan.engine.benchmark.names import OURS

Row = Mapping[str, Any]


def show_operations(cases: list[Row], console: Console) -> None:
    """Every operation, every backend."""
    rows = [row for row in cases if row.get("mode")]
    if not rows:
        return
    columns = ("", "", "median", "p10..p90", "rate", "of the\nceiling", "time/*", "error")
    table = make_table("operations; * runs by default", columns)
    table.columns[1].justify = "left"
    before = None
    for row in rows:
        name = row["case"] if row["mode"] == "forward" else "  and backward"
        first, before = ("" if name == before else name), name
        variant = label(row["variant"]) + (" *" if row["chosen"] else "")
        if row["seconds"] is None:
            table.add_row(first, variant, "not timed", error(row))
            continue
        over = row["time_over_ours"]
        table.add_row(
            first,
            variant,
            seconds(row["seconds"]["median"]),
            spread(row["seconds"]),
            _rate(row),
            share(row.get("of_ceiling")),
            f"{over:.2f}" if over else "",
            error(row),
        )
    console.print(table)
    console.print()


def show_activity(cases: list[Row], console: Console) -> None:
    """What one call asks of torch, of the device and of its memory."""
    rows = [row for row in cases if row.get("activity")]
    if not rows:
        return
    columns = ("", "torch ops", "kernels", "launches", "copies", "GPU busy", "peak memory")
    table = make_table("inside one call", columns)
    for row in rows:
        found, peak = row["activity"], row["peak_memory_bytes"]
        table.add_row(
            f"{row['case']}: {label(row['variant'])}",
            *(_count(found[name]) for name in ("torch_ops", "kernels", "launches", "copies")),
            share(found["busy_share"]) or "-",
            words.size(peak) if peak else "-",
        )
    console.print(table)
    console.print()


def show_loop(cases: list[Row], console: Console) -> None:
    """The training loop beside the bare step."""
    for row in (row for row in cases if row["case"] == "loop"):
        chores = ", ".join(
            f"{name} {seconds(value)} every {row['chores_every'][name]}"
            for name, value in row["chores_seconds"].items()
        )
        in_cpu = row["cpu_efficiency"]
        also = f" ({in_cpu:.1%} in CPU seconds)" if in_cpu is not None else ""
        lines = [
            ("training loop", f"{seconds(row['seconds']['median'])} a step, {chores}"),
            ("bare step", seconds(row["bare_step_seconds"])),
            ("efficiency", f"{row['efficiency']:.1%} of the bare step's throughput{also}"),
        ]
        console.print(words.table(lines) + "\n", soft_wrap=True)


def show_data(cases: list[Row], console: Console) -> None:
    """Packing a set, drawing batches."""
    rows = [row for row in cases if row["case"] == "data"]
    if not rows:
        return
    table = make_table("data: packing a set, drawing batches", ("", "images/s", "p10..p90"))
    for row in (row for row in rows if row["seconds"]):
        table.add_row(row["variant"], per_second(row["images_per_s"]), _spread_unit(row))
    _print_with_skipped(table, rows, console)


def show_disk(cases: list[Row], console: Console) -> None:
    """Refining from disk to disk beside its parts alone, in images/s."""
    rows = [row for row in cases if row["case"] == "disk"]
    if not rows:
        return
    parts = ("decode", "refine", "encode")
    alone = (f"{name}\nalone" for name in parts)
    columns = ("", "disk to\ndisk", *alone, "of slowest\npart", "effi-\nciency")
    table = make_table("disk: read, refine, write; images/s", columns)
    for row in (row for row in rows if row["seconds"]):
        table.add_row(
            row["variant"],
            per_second(row["images_per_s"]),
            *(per_second(row["parts"][name]) for name in parts),
            share(row.get("of_slowest_part")),
            share(row["efficiency"]),
        )
    _print_with_skipped(table, rows, console)


def show_scaling(cases: list[Row], console: Console) -> None:
    """Refining over batch, image size and threads."""
    rows = [row for row in cases if row["case"] == "scaling"]
    points: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        points.setdefault((row["axis"], row["point"]), {})[row["variant"]] = row
    if not points:
        return
    plain = next(row["variant"] for row in rows if row["variant"] != OURS)
    columns = ("", "", "images", label(plain), OURS, "time/\nours", "of the\nfloor", "error")
    table = make_table("scaling: refine, images/s", columns)
    before = None
    for (axis, point), pair in points.items():
        ours, torch = pair[OURS], pair[plain]
        over = torch["time_over_ours"]
        table.add_row(
            axis if axis != before else "",
            point,
            str(ours["shape"][0]),
            per_second(torch["images_per_s"]) if torch["seconds"] else "not timed",
            per_second(ours["images_per_s"]) if ours["seconds"] else "not timed",
            f"{over:.2f}" if over else "",
            share(ours.get("of_floor")),
            error(ours),
        )
        before = axis
    console.print(table)
    console.print()


def _print_with_skipped(table: Table, rows: list[Row], console: Console) -> None:
    """The table, and below it what took no part and why."""
    console.print(table)
    for row in rows:
        if row["skipped"]:
            console.print(f"{row['variant']} left out: {row['skipped']}", style="dim")
    console.print()


def _spread_unit(row: Row) -> str:
    return f"{spread(row['seconds'])} {seconds(row['seconds']['median']).split()[1]}"


def _rate(row: Row) -> str:
    if row["gflop_per_s"] is not None:
        return rate(row["gflop_per_s"])
    return f"{row['gb_per_s']:,.2f} GB/s"


def _count(number: int | None) -> str:
    return f"{number:,}" if number is not None else "-"


SECTIONS: tuple[Callable[[list[Row], Console], None], ...] = (
    show_activity,
    show_operations,
    show_loop,
    show_data,
    show_disk,
    show_scaling,
)
