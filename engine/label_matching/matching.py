"""From `--match-labels` to a weight for each synthetic image, and what that does to the labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simgan.engine.config import TrainConfig
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze import to_vectors
from simgan.engine.label_matching.distribution import (
    Values,
    density_ratio,
    effective_size,
    missed,
    summary,
    wasserstein,
)
from simgan.engine.label_matching.labels import gaze_values, named_values, set_values
from simgan.engine.label_matching.request import Request, parse_request
from simgan.engine.label_matching.weights_file import checked, read_weights
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision

FEWEST = 32  # effective images below which no refiner should be trained
FEW_SHARE = 0.1  # effective share of the set that is worth a warning
GAP_SHARE = 0.05  # share of the real labels without a synthetic one that is worth a warning


@dataclass(frozen=True)
class LabelMatch:
    """How often each synthetic image is drawn.

    Attributes:
        weights: float64 [N], mean 1.
        report: plain values: what was asked for, both distributions, how many images count.
        names: of the labels that were compared, D; none for weights of a file without gaze.
        values: of the synthetic images [N, D].
        target: of the real images [M, D]; None for ranges and weights.
    """

    weights: Values
    report: dict[str, Any]
    names: tuple[str, ...]
    values: Values
    target: Values | None


@dataclass(frozen=True)
class _Found:
    weights: Values
    names: tuple[str, ...]
    values: Values
    target: Values | None
    description: str
    rounds: int = 0


def match(
    config: TrainConfig,
    synthetic: ImageArray,
    real: ImageArray,
    precision: Precision,
    observer: Observer,
) -> LabelMatch:
    """Weights for `config.match_labels`.

    Args:
        config: of the run; `match_labels` is set.
        synthetic: with labels.
        real: images; their labels are not looked at.
        precision: for the estimator of "estimate".
        observer: hears the report, and warnings.
    Raises:
        DataError: labels are missing or unclear, or too few images keep a weight.
    """
    assert config.match_labels is not None
    request = parse_request(config.match_labels)
    if request.kind == "ranges":
        found = _by_ranges(request, synthetic)
    elif request.kind == "weights":
        found = _by_file(request, synthetic)
    elif request.kind == "set":
        found = _by_set(request, config, synthetic)
    else:
        found = _by_estimate(config, synthetic, real, precision, observer)
    weights = checked(found.weights, config.match_labels)
    weights = weights / weights.mean()
    report = _report(config.match_labels, request, found, weights)
    if report["effective_images"] < FEWEST:
        raise DataError(
            f"match_labels: {report['images_kept']:,} of {len(synthetic):,} synthetic images keep "
            f"a weight, which count as {report['effective_images']:.0f}; at least {FEWEST} are "
            "needed",
            where=config.match_labels,
            fix="Widen the ranges, or make synthetic images whose labels are like the real ones.",
        )
    _tell(report, observer)
    return LabelMatch(weights, report, found.names, found.values, found.target)


def _by_ranges(request: Request, synthetic: ImageArray) -> _Found:
    names = tuple(item.name for item in request.ranges)
    labels = named_values(synthetic, names)
    inside = np.ones(len(synthetic), bool)
    for column, item in enumerate(request.ranges):
        values = labels.values[:, column]
        inside &= (values >= item.low) & (values <= item.high)
    if not inside.any():
        low, high = labels.values.min(axis=0), labels.values.max(axis=0)
        spans = ", ".join(f"{n} {a:g} to {b:g}" for n, a, b in zip(names, low, high, strict=True))
        raise DataError(
            "match_labels: no synthetic image lies in the ranges",
            where=synthetic.location,
            fix=f"The set has {spans}.",
        )
    return _Found(inside.astype(np.float64), names, labels.values, None, labels.description)


def _by_file(request: Request, synthetic: ImageArray) -> _Found:
    weights = read_weights(request.path, synthetic)
    try:
        labels = gaze_values(synthetic.labels, synthetic.format, synthetic.location)
    except DataError:  # weights need no labels; there is only nothing to report on
        return _Found(weights, (), np.empty((len(synthetic), 0)), None, "no gaze labels")
    return _Found(weights, labels.names, labels.values, None, labels.description)


def _by_set(request: Request, config: TrainConfig, synthetic: ImageArray) -> _Found:
    labels = gaze_values(synthetic.labels, synthetic.format, synthetic.location)
    target = set_values(request.path, config.data).values
    weights = density_ratio(labels.values, target)
    return _Found(weights, labels.names, labels.values, target, labels.description)


def _by_estimate(
    config: TrainConfig,
    synthetic: ImageArray,
    real: ImageArray,
    precision: Precision,
    observer: Observer,
) -> _Found:
    from simgan.engine.label_matching.estimation import estimate

    labels = gaze_values(synthetic.labels, synthetic.format, synthetic.location)
    truth = to_vectors(np.radians(labels.values))
    found = estimate(synthetic, truth, real, config.seed, precision, observer)
    # Predictions are compared with predictions, so the report shows those of both sets.
    description = f"predictions of an estimator trained on {labels.description}"
    return _Found(found.weights, labels.names, found.own, found.target, description, found.rounds)


def _report(asked: str, request: Request, found: _Found, weights: Values) -> dict[str, Any]:
    before = np.ones(len(weights))
    labels: dict[str, dict[str, Any]] = {}
    for column, name in enumerate(found.names):
        values = found.values[:, column]
        labels[name] = {"before": summary(values, before), "after": summary(values, weights)}
        if found.target is not None:
            target = found.target[:, column]
            ones = np.ones(len(target))
            labels[name] |= {
                "target": summary(target, ones),
                "distance_before": wasserstein(values, before, target, ones),
                "distance_after": wasserstein(values, weights, target, ones),
            }
    gap = None
    if found.target is not None:
        gap = missed(found.values, weights, found.target)
    return {
        "match_labels": asked,
        "kind": request.kind,
        "labels": labels,
        "description": found.description,
        "images": len(weights),
        "images_kept": int((weights > 0).sum()),
        "effective_images": effective_size(weights),
        "target_without_synthetic": gap,
        "rounds": found.rounds,
    }


def _tell(report: dict[str, Any], observer: Observer) -> None:
    effective, images = report["effective_images"], report["images"]
    observer.message(
        f"label matching: {report['images_kept']:,} of {images:,} synthetic images are drawn, "
        f"which count as {effective:,.0f} equally drawn ones"
    )
    for name, item in report["labels"].items():
        text = ", ".join(
            f"{kind} {item[kind]['mean']:.1f} ({item[kind]['q05']:.1f} to {item[kind]['q95']:.1f})"
            for kind in ("before", "after", "target")
            if kind in item
        )
        observer.message(f"  {name}, mean and 5 to 95 %: {text}")
    if effective < FEW_SHARE * images:
        observer.warning(
            f"label matching leaves {effective / images:.1%} of the synthetic set; the refiner "
            "sees few images again and again"
        )
    gap = report["target_without_synthetic"]
    if gap is not None and gap > GAP_SHARE:
        observer.warning(
            f"{gap:.0%} of the real labels have no synthetic label near them: the discriminator "
            "can tell the sets apart by them. Widen the simulator's labels."
        )
