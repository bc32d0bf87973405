"""The benchmark's report as tables for a terminal of 100 columns."""

from collections.abc import Iterable, Mapping
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
SHORT = {"cudnn_convolution_add_relu": "cuDNN conv+add+relu"}
NOTE = (
    "ceiling: of the measured rate of {flops} and {bytes}; floor: the roofline's least time by "
    "the time taken.\nBoth may pass 100 %: Winograd multiplies less than is counted, and one pass "
    "over several layers moves less."
)


def show(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the header, one table per kind of case, and the summary."""
    from simgan.cli import bench_sections

    console = console or make_console()
    _print_header(report["header"], console)
    cases = report["cases"]
    for case, title in NETWORKS.items():
        rows = [row for row in cases if row["case"] == case]
        if rows:
            console.print(_networks(rows, f"{title}, {_input(rows)}"))
            console.print()
    ceilings = report["header"].get("ceilings")
    if ceilings and any(row.get("of_ceiling") for row in cases):
        rates = {"flops": rate(ceilings["flop_per_s"] / 1e9), "bytes": _gb(ceilings)}
        console.print(NOTE.format(**rates) + "\n", style="dim", soft_wrap=True)
    for section in bench_sections.SECTIONS:
        section(cases, console)
    _print_summary(report["summary"], console)


def make_console() -> Console:
    """100 columns where nothing says otherwise: a file or a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=COLUMNS)


def seconds(value: float) -> str:
    """2.0512 -> '2.051 s'; 0.13018 -> '130.2 ms'; 0.0042 -> '4.20 ms'; 0.0000042 -> '4.2 us'."""
    if value >= 1:
        return f"{value:.3f} s"
    if value < 1e-3:
        return f"{value * 1e6:.1f} us"
    return f"{value * 1e3:.{1 if value >= 0.1 else 2}f} ms"


def per_second(value: float) -> str:
    """245.81 -> '245.8'; 643656.2 -> '643,656'."""
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def rate(gflop_per_s: float) -> str:
    """279.7 -> '280 GFLOP/s'; 512000 -> '512 TFLOP/s'."""
    if gflop_per_s < 10_000:
        return f"{gflop_per_s:,.0f} GFLOP/s"
    return f"{gflop_per_s / 1e3:,.0f} TFLOP/s"


def share(value: float | None) -> str:
    """0.8312 -> '83 %'; None -> ''."""
    return f"{value:.0%}".replace("%", " %") if value is not None else ""


def label(variant: str) -> str:
    """A variant as it stands in a table: plain PyTorch goes without its first name."""
    name = variant.removeprefix("torch ")
    return SHORT.get(name, name)


def error(row: Row) -> str:
    """What the gate found."""
    if row.get("gate") is None:
        return ""
    found = row["error"]
    text = "not finite" if found is None else f"{found:.0e}"
    return text if row["gate"] == "green" else f"RED {text}"


def make_table(title: str, columns: Iterable[str]) -> Table:
    """Plain columns, the first to the left and the others to the right."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption_justify="left",
    )
    for number, column in enumerate(columns):
        side = "left" if number == 0 else "right"
        table.add_column(column, justify=side, no_wrap=True)  # type: ignore[arg-type]
    return table


def spread(times: Mapping[str, float]) -> str:
    """p10 and p90 in the unit of the median."""
    unit = seconds(times["median"]).split()[1]
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit]
    return "..".join(_three_digits(times[name] * scale) for name in ("p10", "p90"))


def _three_digits(value: float) -> str:
    """0.1234 -> '0.123', 12.34 -> '12.3', 1234.5 -> '1234'."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _gb(ceilings: Mapping[str, float]) -> str:
    return f"{ceilings['bytes_per_s'] / 1e9:,.0f} GB/s"


def _print_header(header: Row, console: Console) -> None:
    versions = [f"{name} {header[name]}" for name in ("torch", "triton", "python")]
    backends = ", ".join(f"{op} {name}" for op, name in header["backends"].items())
    load = header["load_before"]
    took = f", took {header['seconds']:.0f} s" if header.get("seconds") else ""
    rows = [
        ("hardware", ", ".join(filter(None, _hardware(header)))),
        ("software", ", ".join([f"simgan-engine {header['simgan-engine']}", *versions])),
        ("commit", f"{header['commit'] or 'unknown'}, {header['date']}{took}"),
        ("command", header["command"]),
        ("precision", header["precision"] + (", --quick: few rounds" if header["quick"] else "")),
        ("backends", backends),
    ]
    if load is not None and load > BUSY * header["cores"]:
        rows.append(("busy", f"load {load:.1f} before the start: trust the ratios, not the times"))
    console.print(words.table(rows) + "\n", soft_wrap=True)


def _hardware(header: Row) -> list[str | None]:
    """GPU with its clocks, CPU with its clock, threads."""
    clock = f" at {header['cpu_mhz'] / 1e3:.2f} GHz" if header.get("cpu_mhz") else ""
    found = [f"{header['cpu']}{clock}", f"{header['threads']} threads"]
    gpu = header["gpu"]
    if not gpu:
        return [*found]
    named = {"sm_clock": "SM at {}", "power_limit": "limit {}", "driver": "driver {}"}
    told = [text.format(gpu[name]) for name, text in named.items() if gpu.get(name)]
    return [" ".join([gpu["name"], *([f"({', '.join(told)})"] if told else [])]), *found]


def _input(rows: list[Row]) -> str:
    shape = "x".join(map(str, rows[0]["shape"]))
    return f"{shape} {rows[0]['dtype']}"


def _networks(rows: list[Row], title: str) -> Table:
    large = any((row.get("gflop_per_s") or 0) >= 10_000 for row in rows)
    flops, scale = ("TFLOP/s", 1e3) if large else ("GFLOP/s", 1.0)
    columns = ("", "median", "p10..p90", "images/s", flops, "GB/s", "of the\nceiling")
    table = make_table(title, (*columns, "of the\nfloor", "time/\nours", "error"))
    for row in rows:
        if row["skipped"]:
            continue
        if row["seconds"] is None:
            table.add_row(label(row["variant"]), "not timed", error(row))
            continue
        table.add_row(
            label(row["variant"]),
            seconds(row["seconds"]["median"]),
            spread(row["seconds"]),
            per_second(row["images_per_s"]),
            f"{row['gflop_per_s'] / scale:,.0f}",
            f"{row['gb_per_s']:,.1f}" if row["gb_per_s"] else "",
            share(row.get("of_ceiling")),
            share(row.get("of_floor")),
            f"{row['time_over_ours']:.2f}" if row["time_over_ours"] else "",
            error(row),
        )
    skipped = [row for row in rows if row["skipped"]]
    table.caption = "\n".join(f"{row['variant']} left out: {row['skipped']}" for row in skipped)
    return table


def _print_summary(summary: Row, console: Console) -> None:
    gates = summary["gates"]
    lines = [f"gates: {gates if isinstance(gates, str) else 'RED ' + ', '.join(gates)}"]
    for case in NETWORKS:
        ratio = summary[f"{case}_vs_best_torch"]
        if ratio is not None:
            best = summary[f"{case}_best_torch"]
            lines.append(f"{case}: {ratio:.2f} times the speed of the best plain PyTorch ({best})")
    disk = summary.get("disk_to_disk_efficiency")
    if disk is not None:
        lines.append(
            f"disk to disk: {disk:.1%} of what its parts alone allow, or more in other formats"
        )
    console.print("\n".join(lines), soft_wrap=True)
