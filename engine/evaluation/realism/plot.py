"""A realism check as a picture: the spectra, and both tests with their intervals."""

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLORS = {"real": "#000000", "refined": "#D55E00", "synthetic": "#0072B2"}


def draw(report: dict[str, Any]) -> bytes:
    """A PNG of the report of `check_realism`."""
    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(5, 3, 3))
    _spectra(left, report)
    _kernel(middle, report)
    _classifier(right, report)
    for axes in (left, middle, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _spectra(axes: Axes, report: dict[str, Any]) -> None:
    spectrum = report["spectrum"]
    for name, power in spectrum["power"].items():
        level = 10 * np.log10(np.maximum(power, 1e-12))
        style = "--" if name == "real" else "-"
        axes.plot(spectrum["frequencies"], level, style, color=COLORS[name], label=name)
    axes.set(xlabel="frequency, cycles per px", ylabel="power, dB", xlim=(0, 0.5))
    axes.set_title("power spectrum", loc="left", fontsize=10)
    axes.legend(frameon=False)


def _kernel(axes: Axes, report: dict[str, Any]) -> None:
    for place, row in enumerate(report["comparisons"]):
        kid = row["kid"]
        _interval(axes, place, row["set"], kid["value"], kid["low"], kid["high"])
    _named(axes, report, 0.0)
    axes.set_title("kernel distance to real", loc="left", fontsize=10)
    axes.set_ylabel("KID (0 is ideal)")


def _classifier(axes: Axes, report: dict[str, Any]) -> None:
    for place, row in enumerate(report["comparisons"]):
        test = row["classifier"]
        low, high = test["image_low"], test["image_high"]
        _interval(axes, place, row["set"], test["image_accuracy"], low, high)
        each = [seed["patch_accuracy"] for seed in test["seeds"]]
        axes.plot([place + 0.2] * len(each), each, "_", color=COLORS[row["set"]], markersize=9)
    _named(axes, report, 0.5)
    axes.set_title("fresh discriminator", loc="left", fontsize=10)
    axes.set_ylabel("share right (0.5 is ideal)")
    axes.plot([], [], "o", color="0.4", label="images")
    axes.plot([], [], "_", color="0.4", markersize=9, label="patches")
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    axes.set_ylim(0.35, 1.03)


def _interval(axes: Axes, place: int, name: str, value: float, low: float, high: float) -> None:
    error = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
    axes.errorbar([place], [value], yerr=error, fmt="o", color=COLORS[name], capsize=4)


def _named(axes: Axes, report: dict[str, Any], ideal: float) -> None:
    axes.axhline(ideal, color="0.4", linewidth=0.8, linestyle=":")
    names = [row["set"] for row in report["comparisons"]]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
