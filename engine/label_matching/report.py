"""What label matching does to the labels, as numbers and as sentences."""

from typing import Any

import numpy as np

from simgan.engine.label_matching.distribution import (
    Values,
    effective_size,
    missed,
    summary,
    wasserstein,
)
from simgan.engine.label_matching.found import Found
from simgan.engine.observer import Observer

FEW_SHARE = 0.1  # effective share of the set that is worth a warning
GAP_SHARE = 0.05  # share of the real labels without a synthetic one that is worth a warning
APART = 0.25  # deviations of the real labels that may be left between both sets


def build_report(asked: str, kind: str, found: Found, weights: Values) -> dict[str, Any]:
    """Plain values for label-match.json.

    Args:
        asked: what `--match-labels` said.
        kind: of the request.
        found: both distributions.
        weights: float64 [N], mean 1.
    """
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
    report = {
        "match_labels": asked,
        "kind": kind,
        "labels": labels,
        "description": found.description,
        "images": len(weights),
        "images_kept": int((weights > 0).sum()),
        "effective_images": effective_size(weights),
        "target_without_synthetic": gap,
        "rounds": found.rounds,
    }
    if found.truth is not None:
        report["synthetic_labels"] = {
            name: {"before": summary(column, before), "after": summary(column, weights)}
            for name, column in zip(found.names, found.truth.T, strict=True)
        }
    return report


def tell(report: dict[str, Any], observer: Observer) -> None:
    """The report in sentences, and warnings where the labels stay apart or few images count."""
    effective, images = report["effective_images"], report["images"]
    observer.message(
        f"label matching: {report['images_kept']:,} of {images:,} synthetic images are drawn, "
        f"which count as {effective:,.0f} equally drawn ones"
    )
    for name, item in report["labels"].items():
        observer.message(f"  {name}, mean and 5 to 95 %: {_spreads(item)}{_distances(item)}")
    for name, item in report.get("synthetic_labels", {}).items():
        observer.message(f"  true {name} of the synthetic images: {_spreads(item)}")
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
    for name, item in report["labels"].items():
        left = item.get("distance_after", 0.0)
        if left > APART * item.get("target", {}).get("deviation", 0.0):
            observer.warning(
                f"matched {name} still lies {left:.1f} from the real one on average (Wasserstein); "
                "what remains, the refiner may learn to move"
            )


def _spreads(item: dict[str, Any]) -> str:
    return ", ".join(
        f"{kind} {item[kind]['mean']:.1f} ({item[kind]['q05']:.1f} to {item[kind]['q95']:.1f})"
        for kind in ("before", "after", "target")
        if kind in item
    )


def _distances(item: dict[str, Any]) -> str:
    if "target" not in item:
        return ""
    return f"; Wasserstein distance {item['distance_before']:.2f} -> {item['distance_after']:.2f}"
