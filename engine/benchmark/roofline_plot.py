"""The roofline as a picture: what was reached, below what the machine can do."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simgan.engine.benchmark.names import COMPILED, CUDNN, EAGER, EAGER_LAST, OURS

INK, ROOF = "#333333", "#555555"
COLORS = {
    OURS: "#1f5fa8",
    EAGER: "#c4c4c4",
    EAGER_LAST: "#8a8a8a",
    COMPILED: "#e08a1e",
    CUDNN: "#3c9a5f",
}
MARKERS = {
    "refine": "o",
    "step": "s",
    "residual_block forward": "^",
    "residual_block forward+backward": "D",
}
Row = Mapping[str, Any]


def plot_roofline(report: Mapping[str, Any], path: Path) -> None:
    """Two panels: FLOP/s over FLOPs per byte below the measured roof; shares of the floor.

    Args:
        report: of `run_benchmark`; its header holds the ceilings.
        path: of the PNG.
    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: `path` cannot be written.
    """
    from matplotlib.figure import Figure

    header = report["header"]
    rows = [row for row in report["cases"] if _group(row) in MARKERS and row.get("of_floor")]
    rows = [row for row in rows if row["variant"] in COLORS or row.get("chosen")]
    figure = Figure(figsize=(12, 5.6), dpi=160, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_roof(left, header["ceilings"], rows)
    _draw_points(left, rows)
    _draw_bars(right, rows)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK, labelsize=9)
    figure.suptitle(_title(header), x=0.01, ha="left", fontsize=11, color=INK)
    figure.savefig(path, format="png")


def _draw_roof(axes: Any, ceilings: Mapping[str, float], rows: Iterable[Row]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    peak, bandwidth = ceilings["flop_per_s"] / 1e9, ceilings["bytes_per_s"] / 1e9
    balance = peak / bandwidth
    low = min([balance, *map(_intensity, rows)]) / 4
    high = max([balance, *map(_intensity, rows)]) * 6
    axes.plot([low, balance, high], [low * bandwidth, peak, peak], color=ROOF, lw=1.6, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    axes.text(
        high, peak * 1.06, f"matrix product {peak:,.0f} GFLOP/s", ha="right", fontsize=8, color=ROOF
    )
    axes.annotate(
        f"copy {bandwidth:,.0f} GB/s",
        (low * 1.5, low * 1.5 * bandwidth),
        xytext=(8, -4),
        textcoords="offset points",
        fontsize=8,
        color=ROOF,
    )
    axes.set_xlabel("FLOP per byte, each layer one pass", color=INK)
    axes.set_ylabel("GFLOP/s, counted as direct convolution", color=INK)


def _draw_points(axes: Any, rows: list[Row]) -> None:
    for row in rows:
        axes.scatter(
            _intensity(row),
            row["gflop_per_s"],
            marker=MARKERS[_group(row)],
            color=_color(row),
            edgecolor="white",
            linewidth=0.7,
            s=70,
            zorder=3 if _is_ours(row) else 2,
        )
    groups = [group for group in MARKERS if any(_group(row) == group for row in rows)]
    for group in groups:
        axes.scatter([], [], marker=MARKERS[group], color=INK, s=45, label=group)
    axes.legend(frameon=False, fontsize=8, loc="lower right", labelcolor=INK)


def _draw_bars(axes: Any, rows: list[Row]) -> None:
    """One bar per row, grouped by case, the longest time at the top of its group."""
    place, ticks = 0.0, []
    for group in MARKERS:
        members = [row for row in rows if _group(row) == group]
        for row in sorted(members, key=lambda row: float(row["of_floor"])):
            share = 100 * row["of_floor"]
            axes.barh(place, share, color=_color(row), height=0.8)
            axes.text(share + 1.5, place, f"{share:.0f} %", va="center", fontsize=8, color=INK)
            ticks.append((place, row["variant"].removeprefix("torch ")))
            place += 1
        if members:
            axes.text(0, place - len(members) - 0.62, group, fontsize=9, weight="bold", color=INK)
            place += 0.9
    axes.set_yticks([where for where, _ in ticks], [name for _, name in ticks])
    axes.set_ylim(place - 1.2, -1)
    axes.axvline(100, color=ROOF, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.set_xlabel("share of the roofline's floor, %", color=INK)
    axes.margins(x=0.12)


def _group(row: Row) -> str:
    return " ".join(filter(None, (row["case"], row.get("mode"))))


def _intensity(row: Row) -> float:
    return float(row["gflop_per_s"] / row["gb_per_s"])


def _is_ours(row: Row) -> bool:
    return row["variant"] == OURS or bool(row.get("chosen"))


def _color(row: Row) -> str:
    return COLORS[OURS] if _is_ours(row) else COLORS[row["variant"]]


def _title(header: Mapping[str, Any]) -> str:
    where = (header["gpu"] or {}).get("name") or header["cpu"]
    return (
        f"{where}, {header['threads']} threads, {header['precision']}, b = {header['batch']}, "
        f"commit {header['commit']}, {header['date'][:10]}"
    )
