"""From `--match-labels` to a weight for each synthetic image, and what that does to the labels."""

import numpy as np

from simgan.engine.config import TrainConfig
from simgan.engine.data.packing import ImageArray
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError
from simgan.engine.evaluation.gaze import to_vectors
from simgan.engine.label_matching.distribution import density_ratio
from simgan.engine.label_matching.found import Found, LabelMatch
from simgan.engine.label_matching.labels import gaze_values, named_values, set_values
from simgan.engine.label_matching.report import build_report, tell
from simgan.engine.label_matching.request import Request, parse_request
from simgan.engine.label_matching.weights_file import checked, read_weights
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision

FEWEST = 32  # effective images below which no refiner should be trained


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
    if request.kind != "estimate":
        return known_match(config, synthetic, observer)
    found = _by_estimate(config, synthetic, real, precision, observer)
    return _finish(config, synthetic, request, found, observer)


def known_match(
    config: TrainConfig, synthetic: ImageArray | Source, observer: Observer
) -> LabelMatch:
    """Weights for a `config.match_labels` that needs no images: all but "estimate".

    Args:
        config: of the run.
        synthetic: with labels.
        observer: hears the report, and warnings.
    Raises:
        DataError: as `match`.
    """
    assert config.match_labels is not None
    request = parse_request(config.match_labels)
    assert request.kind != "estimate"
    ways = {"ranges": _by_ranges, "weights": _by_file, "set": _by_set}
    found = ways[request.kind](request, config, synthetic)
    return _finish(config, synthetic, request, found, observer)


def _finish(
    config: TrainConfig,
    synthetic: ImageArray | Source,
    request: Request,
    found: Found,
    observer: Observer,
) -> LabelMatch:
    assert config.match_labels is not None
    weights = checked(found.weights, config.match_labels)
    weights = weights / weights.mean()
    report = build_report(config.match_labels, request.kind, found, weights)
    if report["effective_images"] < FEWEST:
        raise DataError(
            f"match_labels: {report['images_kept']:,} of {len(synthetic):,} synthetic images keep "
            f"a weight, which count as {report['effective_images']:.0f}; at least {FEWEST} are "
            "needed",
            where=config.match_labels,
            fix="Widen the ranges, or make synthetic images whose labels are like the real ones.",
        )
    tell(report, observer)
    return LabelMatch(weights, report, found.names, found.values, found.target)


def _by_ranges(request: Request, config: TrainConfig, synthetic: ImageArray | Source) -> Found:
    names = tuple(item.name for item in request.ranges)
    labels = named_values(synthetic, names, config.data.key)
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
    return Found(inside.astype(np.float64), names, labels.values, None, labels.description)


def _by_file(request: Request, config: TrainConfig, synthetic: ImageArray | Source) -> Found:
    weights = read_weights(request.path, synthetic)
    try:
        labels = gaze_values(synthetic, config.data.key)
    except DataError:  # weights need no labels; there is only nothing to report on
        return Found(weights, (), np.empty((len(synthetic), 0)), None, "no gaze labels")
    return Found(weights, labels.names, labels.values, None, labels.description)


def _by_set(request: Request, config: TrainConfig, synthetic: ImageArray | Source) -> Found:
    labels = gaze_values(synthetic, config.data.key)
    target = set_values(request.path, config.data).values
    weights = density_ratio(labels.values, target)
    return Found(weights, labels.names, labels.values, target, labels.description)


def _by_estimate(
    config: TrainConfig,
    synthetic: ImageArray,
    real: ImageArray,
    precision: Precision,
    observer: Observer,
) -> Found:
    from simgan.engine.label_matching.estimation import estimate

    labels = gaze_values(synthetic, config.data.key)
    truth = to_vectors(np.radians(labels.values))
    found = estimate(synthetic, truth, real, config.seed, precision, observer)
    # Predictions are compared with predictions, so the report shows those of both sets.
    description = f"predictions of an estimator trained on {labels.description}"
    return Found(
        found.weights,
        labels.names,
        found.own,
        found.target,
        description,
        found.rounds,
        labels.values,
    )
