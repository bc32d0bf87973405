"""How gray values and gradients of synthetic, refined and real images are distributed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simgan.engine.reporting.charts import LineChart, Series

BINS = 64
SHOWN = 0.995  # share of the gradients that the axis has to show
MOST_VALUES = 500_000  # of a set; more change no visible digit
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """One measure of every pixel, of each set.

    Attributes:
        title: of the chart.
        unit: of the values.
        values: by set, in % of the range from black to white.
    """

    title: str
    unit: str
    values: Mapping[str, Values]

    def chart(self, high: float | None = None, *, log: bool = False) -> LineChart:
        """Shares of pixels over the values; `high` ends the axis, by default at 100."""
        top = high or 100.0
        edges = np.linspace(0, top, BINS + 1)
        middle = (edges[:-1] + edges[1:]) / 2
        lines = []
        for name, values in self.values.items():
            counts, _ = np.histogram(values, bins=edges)
            shares = counts / max(len(values), 1)
            points = [(float(x), float(y) if y or not log else None) for x, y in
                      zip(middle, shares, strict=True)]  # fmt: skip
            lines.append(Series(name, points))
        return LineChart(
            self.title,
            "% of pixels",
            self.unit,
            lines,
            log=log,
            zero=not log,
            percent=True,
            x_range=(0.0, top),
        )

    def rows(self) -> list[dict[str, float | str]]:
        """Mean, deviation and distance to the real images of each set."""
        real = self.values.get("real")
        return [
            {
                "set": name,
                "mean": float(values.mean()),
                "deviation": float(values.std()),
                **({"distance": wasserstein(values, real)} if real is not None else {}),
            }
            for name, values in self.values.items()
        ]

    def distance(self, name: str) -> float | None:
        """Distance of a set to the real images, % of the range; None where one is missing."""
        if name not in self.values or "real" not in self.values:
            return None
        return wasserstein(self.values[name], self.values["real"])


def statistics(sets: Mapping[str, NDArray[np.float32]]) -> list[Statistic]:
    """Gray values and gradient magnitudes of images [n, C, H, W] in [-1, 1], by set."""
    grays = {name: gray(images) for name, images in sets.items()}
    return [
        Statistic(
            "Gray values",
            "gray value, % from black to white",
            {name: _some(values) for name, values in grays.items()},
        ),
        Statistic(
            "Gradients",
            "change from pixel to pixel, % of black to white",
            {name: _some(gradient(values)) for name, values in grays.items()},
        ),
    ]


def gray(images: NDArray[np.float32]) -> Values:
    """[n, C, H, W] in [-1, 1] to [n, H, W] in % from black to white."""
    scaled = (np.clip(images.astype(np.float64), -1, 1) + 1) * 50
    if scaled.shape[1] == 1:
        return scaled[:, 0]
    return np.tensordot(scaled[:, :3], np.asarray(LUMA), axes=(1, 0))


def gradient(grays: Values) -> Values:
    """Magnitude of the forward differences of [n, H, W]: [n, H - 1, W - 1]."""
    across = grays[:, :-1, 1:] - grays[:, :-1, :-1]
    down = grays[:, 1:, :-1] - grays[:, :-1, :-1]
    magnitude: Values = np.hypot(across, down)
    return magnitude


def wasserstein(a: Values, b: Values) -> float:
    """The 1-Wasserstein distance of two samples: how far values move on average, at least."""
    a, b = np.sort(a, axis=None), np.sort(b, axis=None)
    merged = np.sort(np.concatenate((a, b)))
    between = merged[:-1]
    below_a = np.searchsorted(a, between, side="right") / len(a)
    below_b = np.searchsorted(b, between, side="right") / len(b)
    return float(np.abs(below_a - below_b) @ np.diff(merged))


def gradients_shown(statistic: Statistic) -> float:
    """Where the axis of gradients ends, so that nearly all of every set is on it."""
    return max(float(np.quantile(values, SHOWN)) for values in statistic.values.values()) or 1.0


def _some(values: Values) -> Values:
    """Evenly spread values of a flattened set, at most MOST_VALUES."""
    flat = values.reshape(-1)
    return flat[:: -(-len(flat) // MOST_VALUES)]
