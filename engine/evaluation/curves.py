"""The cumulative curve of errors as a picture; needs matplotlib."""

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simgan.engine.evaluation.task import Task

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
SHOWN = 0.995  # share of the errors that the axis has to show
POINTS = 400


def draw_curves(report: dict[str, Any], errors: NDArray[np.float64], task: Task) -> bytes:
    """Share of what is counted within d, one line per arm, as a PNG.

    Args:
        report: of `judge`, for names and mean errors.
        errors: [A, S, N] or [A, S, N, P]; the shade of a line spans its seeds.
        task: for the names of the figures.
    """
    errors = errors.reshape(*errors.shape[:2], -1)
    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    top = float(np.quantile(errors, SHOWN))
    limits = np.linspace(0, top, POINTS)
    for index, (arm, values) in enumerate(zip(report["arms"], errors, strict=True)):
        color = COLORS[index % len(COLORS)]
        shares = np.stack([_shares(row, limits) for row in values])
        axes.fill_between(limits, shares.min(axis=0), shares.max(axis=0), color=color, alpha=0.2,
                          linewidth=0)  # fmt: skip
        axes.plot(
            limits, shares.mean(axis=0), color=color, label=_legend(arm, task.sign), linewidth=1.8
        )
    _mark(axes, top, task)
    axes.set(xlim=(0, top), ylim=(0, 100), xlabel=f"{task.error} d, {task.unit}")
    seeds = errors.shape[1]
    note = f", mean and range of {seeds} seeds" if seeds > 1 else ""
    axes.set_ylabel(f"{task.counted} within d, %")
    axes.set_title(f"{report['images']:,} test images{note}", loc="left", fontsize=10)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _shares(errors: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.searchsorted(np.sort(errors), limits, side="right")
    return 100.0 * places / len(errors)


def _legend(arm: dict[str, Any], sign: str) -> str:
    mean = arm["mean"]
    return f"{arm['name']}: {mean['value']:.2f}{sign} ({mean['low']:.2f} to {mean['high']:.2f})"


def _mark(axes: Axes, top: float, task: Task) -> None:
    """Where numbers are quoted."""
    for limit in task.named:
        if limit < top:
            axes.axvline(limit, color="0.5", linewidth=0.8, linestyle=":")
            axes.annotate(f"{limit}{task.sign}", (limit, 1), (2, 2), textcoords="offset points",
                          color="0.4", fontsize=8)  # fmt: skip
