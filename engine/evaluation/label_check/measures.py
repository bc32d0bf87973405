"""The measures of a label check: numbers for the report, and one badness per pair for the worst.

Every measure takes the same `Compared` images and returns a `Measured`; none knows of another.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.errors import DataError
from simgan.engine.evaluation.label_check.brightness import brightness
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig
from simgan.engine.evaluation.label_check.edges import edge_agreement
from simgan.engine.evaluation.label_check.estimator_change import estimator_change
from simgan.engine.evaluation.label_check.flow import flow_quantiles
from simgan.engine.evaluation.label_check.iris_ellipse import Ellipses, fit_ellipses
from simgan.engine.evaluation.label_check.pairs import LEAST, Pairs
from simgan.engine.evaluation.label_check.phase_correlation import measure_shifts
from simgan.engine.evaluation.label_check.points import (
    GRID,
    Points,
    at_size,
    grid_points,
    inside,
    labelled_points,
    piece_side,
)
from simgan.engine.evaluation.label_check.summary import summarize
from simgan.engine.observer import Observer

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """What the measures look at.

    Attributes:
        pairs: the stored images and labels.
        synthetic, refined: brightness float32 [N, H, W] at the width of the config.
        config: of the check.
        observer: is told of progress.
    """

    pairs: Pairs
    synthetic: Tensor
    refined: Tensor
    config: CheckLabelsConfig
    observer: Observer

    def summary(self, values: Values) -> dict[str, Any]:
        """Of values per pair, with the config's bootstrap."""
        config = self.config
        return summarize(
            values, resamples=config.resamples, confidence=config.confidence, seed=config.seed
        )


@dataclass(frozen=True)
class Measured:
    """What one measure found.

    Attributes:
        report: plain values.
        title: of its worst cases.
        badness: [N], the larger the worse; NaN where it was not measured.
        arrays: per pair, for shifts.npz.
        ellipses: of the synthetic and the refined images, to be drawn.
        moves: [N, K, 2, 2], points (x, y) before and after, to be drawn.
    """

    report: dict[str, Any]
    title: str
    badness: Values
    arrays: dict[str, NDArray[Any]]
    ellipses: tuple[Ellipses, Ellipses] | None = None
    moves: Values | None = field(default=None)


def compared(pairs: Pairs, config: CheckLabelsConfig, observer: Observer) -> Compared:
    """The images of all pairs at the width of the config."""
    first, second = (brightness(x, config.width) for x in (pairs.synthetic, pairs.refined))
    return Compared(pairs, first, second, config, observer)


def pupil(images: Compared) -> Measured:
    """Shift of the centre of an ellipse fitted to the iris of both images.

    The size is taken from a first fit of the synthetic image; both images are then fitted with it,
    neither knowing the place in the other. A fit that lands more than a radius away has found
    something else, and counts as lost.
    """
    sized = fit_ellipses(images.synthetic)
    first, second = (fit_ellipses(x, sized.radii) for x in (images.synthetic, images.refined))
    first = replace(first, good=first.good & sized.good)
    found = first.good & second.good
    lost = found & (np.hypot(*(second.centers - first.centers).T) > first.radii)
    both = found & ~lost
    if both.sum() < LEAST:
        raise DataError(
            f"an iris was found in both images of {int(both.sum())} pairs only, of {len(both):,}; "
            "single eyes that fill the image are expected"
        )
    shift = np.where(both[:, None], second.centers - first.centers, np.nan)
    size = np.hypot(*shift.T)
    report = {
        **images.summary(size),
        "failed": {
            "synthetic": int((~first.good).sum()),
            "refined": int((~second.good).sum()),
            "lost": int(lost.sum()),
            "pairs": int((~both).sum()),
        },
        "mean_x": images.summary(shift[:, 0])["mean"],
        "mean_y": images.summary(shift[:, 1])["mean"],
        "fit_error": _fit_error(images, first),
    }
    arrays = {
        "pupil_shift": shift,
        "pupil_synthetic": _curves(first),
        "pupil_refined": _curves(second),
    }
    return Measured(report, "pupil: largest shifts, px", size, arrays, (first, second))


def _curves(fits: Ellipses) -> Values:
    """(x, y, r, a, b) [N, 5], NaN where the fit failed."""
    curves = np.concatenate((fits.centers, fits.radii[:, None], fits.shapes), axis=1)
    return np.where(fits.good[:, None], curves, np.nan)


def _fit_error(images: Compared, fits: Ellipses) -> dict[str, Any] | None:
    """How far the fits of the synthetic images are from their own labels; None without labels."""
    pairs = images.pairs
    if "pupil_center" not in pairs.labels:
        return None
    known = labelled_points(pairs.labels, pairs.source.format, "pupil_center")
    assert known is not None
    label = _at_width(images, known)[:, 0]
    return images.summary(np.where(fits.good, np.hypot(*(fits.centers - label).T), np.nan))


def _at_width(images: Compared, points: Points) -> Values:
    """Labelled points [N, K, 2] in px of the compared images."""
    height, width = images.synthetic.shape[1:]
    scale = np.array((width, height)) / images.pairs.stored[:, ::-1]
    return at_size(points.places, scale[:, None])


def points(images: Compared) -> Measured:
    """Shift of what surrounds labelled points, or the points of a grid."""
    pairs, config = images.pairs, images.config
    height, width = images.synthetic.shape[1:]
    labelled = (
        None
        if config.points == GRID
        else labelled_points(pairs.labels, pairs.source.format, config.points)
    )
    chosen = grid_points(len(pairs), height, width) if labelled is None else labelled
    places = chosen.places if labelled is None else _at_width(images, labelled)
    within = inside(places, height, width)
    found = measure_shifts(
        images.synthetic, images.refined, torch.from_numpy(places), piece_side(width)
    )
    flat, unlike = within & found.flat.numpy(), within & found.unlike.numpy() & ~found.flat.numpy()
    good = within & ~flat & ~unlike
    shift = np.where(good[..., None], found.shift.numpy(), np.nan)
    size = np.hypot(shift[..., 0], shift[..., 1])
    mean = _row_means(size)
    if np.isfinite(mean).sum() < LEAST:
        raise DataError(
            f"of {good.size:,} points {int(good.sum()):,} can be compared: "
            f"{int((~within).sum()):,} are near the border or outside, {int(flat.sum()):,} have "
            f"flat surroundings, {int(unlike.sum()):,} are not recognised again"
        )
    report = {
        "name": chosen.name,
        **images.summary(mean),
        "points": {
            "all": int(good.size),
            "measured": int(good.sum()),
            "outside": int((~within).sum()),
            "flat": int(flat.sum()),
            "unlike": int(unlike.sum()),
        },
        "quantiles": _quantiles(size[good]),
    }
    moves = np.stack((places, places + shift), axis=2)
    arrays = {"point_shift": shift, "points": places}
    return Measured(
        report, f"points ({chosen.name}): largest mean shifts, px", mean, arrays, moves=moves
    )


def _row_means(size: Values) -> Values:
    """Mean of the finite ones of each row [N, K]; NaN where there is none."""
    known = np.isfinite(size)
    total = np.where(known, size, 0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _quantiles(size: Values) -> dict[str, float]:
    middle, high = np.quantile(size, (0.5, 0.95))
    return {"p50": float(middle), "p95": float(high)}


def edges(images: Compared) -> Measured:
    """Correlation of gradient magnitudes, and overlap of the strongest."""
    correlation, overlap = edge_agreement(images.synthetic, images.refined)
    report = {"correlation": images.summary(correlation), "overlap": images.summary(overlap)}
    arrays = {"edge_correlation": correlation, "edge_overlap": overlap}
    return Measured(report, "edges: least correlation, 1 - r", 1 - correlation, arrays)


def flow(images: Compared) -> Measured:
    """Length of the dense optical flow: quantiles over pixels, then summed up over pairs."""
    images.observer.phase("optical flow", len(images.pairs), 0)
    found = flow_quantiles(
        images.synthetic, images.refined, lambda done: images.observer.tick({"step": done})
    )
    names = ("p50", "p95", "p99")
    report = {name: images.summary(found[:, column]) for column, name in enumerate(names)}
    return Measured(report, "flow: largest 95 % quantiles, px", found[:, 1], {"flow": found})


def estimator(images: Compared) -> Measured:
    """Errors of an estimator trained on synthetic images only, before and after refining."""
    pairs, config = images.pairs, images.config
    found = estimator_change(pairs, config, images.observer)
    moved = np.full(len(pairs), np.nan)
    moved[found.rows] = found.moved.mean(axis=0)
    report = {**found.report(config.confidence), "prediction_shift": images.summary(moved)}
    arrays = {
        "estimator_rows": found.rows,
        "estimator_error_synthetic": found.synthetic,
        "estimator_error_refined": found.refined,
    }
    return Measured(report, "estimator: predictions that moved most, degrees", moved, arrays)


ALL = {"pupil": pupil, "points": points, "edges": edges, "flow": flow, "estimator": estimator}
