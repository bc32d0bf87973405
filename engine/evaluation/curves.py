"""The cumulative curve of angular errors as a picture; needs matplotlib."""

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simgan.engine.evaluation.report import NAMED_DEGREES

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
SHOWN = 0.995  # share of the errors that the axis has to show
POINTS = 400


def draw_curves(report: dict[str, Any], errors: NDArray[np.float64]) -> bytes:
    """Share of test images within d degrees, one line per arm, as a PNG.

    Args:
        report: of `judge`, for names and mean errors.
        errors: degrees [A, S, N]; the shade of a line spans its seeds.
    """
    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    top = float(np.quantile(errors, SHOWN))
    degrees = np.linspace(0, top, POINTS)
    for index, (arm, values) in enumerate(zip(report["arms"], errors, strict=True)):
        color = COLORS[index % len(COLORS)]
        shares = np.stack([_shares(row, degrees) for row in values])
        axes.fill_between(degrees, shares.min(axis=0), shares.max(axis=0), color=color, alpha=0.2,
                          linewidth=0)  # fmt: skip
        axes.plot(degrees, shares.mean(axis=0), color=color, label=_legend(arm), linewidth=1.8)
    _mark(axes, top)
    axes.set(xlim=(0, top), ylim=(0, 100), xlabel="angular error d, degrees")
    seeds = errors.shape[1]
    note = f", mean and range of {seeds} seeds" if seeds > 1 else ""
    axes.set_ylabel("test images within d, %")
    axes.set_title(f"{report['images']:,} test images{note}", loc="left", fontsize=10)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _shares(errors: NDArray[np.float64], degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.searchsorted(np.sort(errors), degrees, side="right")
    return 100.0 * places / len(errors)


def _legend(arm: dict[str, Any]) -> str:
    mean = arm["mean"]
    return f"{arm['name']}: {mean['value']:.2f}\u00b0 ({mean['low']:.2f} to {mean['high']:.2f})"


def _mark(axes: Axes, top: float) -> None:
    """The two degrees that the paper's numbers are quoted at."""
    for degrees in NAMED_DEGREES:
        if degrees < top:
            axes.axvline(degrees, color="0.5", linewidth=0.8, linestyle=":")
            axes.annotate(f"{degrees}\u00b0", (degrees, 1), (2, 2), textcoords="offset points",
                          color="0.4", fontsize=8)  # fmt: skip
