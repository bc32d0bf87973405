"""The figures of an ablation: errors of the arms, and how they move over the steps."""

import io
import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simgan.engine.evaluation.curves import COLORS

Row = Mapping[str, Any]
BASE_COLOR, ARM_COLORS = COLORS[0], COLORS[1:]
MARKS, LINES = ("o", "s", "^", "D"), ("-", "--", "-.", ":")
TITLES = {
    "history": "history of refined images",
    "adversarial": "adversarial loss",
    "lambda": "lambda",
    "psi": "feature transform psi",
    "k-g": "refiner updates per step, K_g",
    "data": "amount of synthetic data",
}
PANEL = (4.4, 3.1)  # inches
MOST_COLUMNS = 3


def draw_bars(report: Row) -> bytes:
    """Error of each arm at its last step as a bar with its interval and its seeds; a PNG."""
    arms = report["arms"]
    figure = Figure(figsize=(8, 1.5 + 0.42 * len(arms)), dpi=150, layout="constrained")
    axes = figure.subplots()
    unrefined = report["unrefined"][0]["mean"]["value"]
    top = max([unrefined, *(_reach(arm) for arm in arms)])
    for place, arm in enumerate(arms):
        color = BASE_COLOR if arm["ablation"] == "base" else "#999999"
        if arm["mean"] is None:
            axes.text(0, place, "  failed", va="center", fontsize=9)
            continue
        _bar(axes, place, arm, color, top)
    axes.axvline(unrefined, color=COLORS[1], linewidth=1.5, linestyle="--", zorder=3,
                 label=f"unrefined images: {unrefined:.2f}\u00b0")  # fmt: skip
    axes.set_yticks(range(len(arms)), [_named(arm) for arm in arms])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.14 * top), xlabel="mean angular error on the test set, degrees")
    seeds = len(arms[0]["seeds"])
    axes.set_title(
        f"bars: mean of {_seeds(seeds)}; whiskers: {report['confidence']:.0%} interval; "
        "dots: seeds",
        loc="left",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.55 / (0.42 * len(arms) + 0.4)),
                frameon=False)  # fmt: skip
    return _png(figure)


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _reach(arm: Row) -> float:
    if arm["mean"] is None:
        return 0.0
    ends = [arm["mean"]["value"], *_final(arm)]
    return float(max(ends))


def _final(arm: Row) -> list[float]:
    last = (row["looks"][-1] for row in arm["seeds"])
    return [look["error"] for look in last if look is not None]


def _bar(axes: Axes, place: int, arm: Row, color: str, top: float) -> None:
    mean, low, high = (arm["mean"][name] for name in ("value", "low", "high"))
    axes.barh(place, mean, height=0.62, color=color, alpha=0.55, zorder=1)
    if low is not None:
        # An interval of two seeds can be wider than everything else: it leaves the picture.
        edge = 1.14 * top
        axes.plot([max(low, 0), min(high, edge)], [place, place], color="black", linewidth=1.4,
                  zorder=4)  # fmt: skip
        for end, mark, beyond in ((0, "<", low < 0), (edge, ">", high > edge)):
            if beyond:
                axes.plot(end, place, marker=mark, color="black", clip_on=False, zorder=4)
    axes.plot(_final(arm), [place] * len(_final(arm)), linestyle="none", marker="o", markersize=4,
              color="black", markerfacecolor="white", zorder=5)  # fmt: skip


def _named(arm: Row) -> str:
    """What stands beside its bar: label and mean."""
    mean = "" if arm["mean"] is None else f"  {arm['mean']['value']:.2f}\u00b0"
    return f"{arm['label']}{mean}"


def draw_stability(report: Row) -> bytes:
    """Mean error over refiner updates, a panel per ablation with the base in each; a PNG.

    Lines are means over seeds, shades one standard deviation of the seeds, thin lines the seeds.
    """
    base = report["arms"][0]
    names = list(dict.fromkeys(arm["ablation"] for arm in report["arms"][1:])) or ["base"]
    columns = min(MOST_COLUMNS, len(names))
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(PANEL[0] * columns + 0.3, PANEL[1] * lines + 0.5), dpi=150,
                    layout="constrained")  # fmt: skip
    grid = figure.subplots(lines, columns, sharey=True, squeeze=False).flatten()
    by = "updates" if report["config"]["equal"] == "updates" else "step"
    for axes, name in zip(grid, names, strict=False):
        others = [arm for arm in report["arms"][1:] if arm["ablation"] == name]
        _curve(axes, base, by, 0, BASE_COLOR)
        for number, arm in enumerate(others, 1):
            _curve(axes, arm, by, number, ARM_COLORS[(number - 1) % len(ARM_COLORS)])
        _finish(axes, report, TITLES.get(name, name))
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    for row in range(lines):
        grid[row * columns].set_ylabel("angular error, degrees")
    label = "refiner updates" if by == "updates" else "steps"
    for axes in grid[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel(label)
    seeds = _seeds(len(base["seeds"]))
    note = "" if len(base["seeds"]) == 1 else "; shade: +- 1 standard deviation of the seeds"
    figure.suptitle(
        f"error while training, mean of {seeds}{note}; in brackets: jump from look to look",
        fontsize=10,
    )
    return _png(figure)


def _curve(axes: Axes, arm: Row, by: str, number: int, color: str) -> None:
    xs = [look[by] for look in arm["looks"]]
    known = [
        (x, row) for x, row in zip(xs, arm["over_steps"], strict=True) if row["mean"] is not None
    ]
    for row in arm["seeds"]:
        own = [(x, look["error"]) for x, look in zip(xs, row["looks"], strict=True) if look]
        axes.plot(*_columns(own), color=color, linewidth=0.6, alpha=0.6)
    shaded = [(x, row["mean"], row["spread"]) for x, row in known if row["spread"] is not None]
    axes.fill_between(
        [x for x, _, _ in shaded],
        [mean - deviation for _, mean, deviation in shaded],
        [mean + deviation for _, mean, deviation in shaded],
        color=color, alpha=0.18, linewidth=0,
    )  # fmt: skip
    jump = "" if arm["fluctuation"] is None else f" ({arm['fluctuation']:.2f}\u00b0)"
    axes.plot(
        *_columns([(x, row["mean"]) for x, row in known]),
        color=color, linewidth=1.8, linestyle=LINES[number % len(LINES)],
        marker=MARKS[number % len(MARKS)], markersize=4, label=f"{arm['label']}{jump}",
    )  # fmt: skip


def _columns(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def _finish(axes: Axes, report: Row, title: str) -> None:
    unrefined = report["unrefined"][0]["mean"]["value"]
    axes.axhline(unrefined, color="0.35", linewidth=1.0, linestyle=(0, (1, 2)), label="unrefined")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
