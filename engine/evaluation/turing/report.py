"""What the answers say: by rater, pooled, by image; as plain values and as CSV."""

import csv
import io
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from simgan.engine.evaluation.binomial import (
    POWER,
    clopper_pearson,
    detectable,
    p_better,
    p_two_sided,
)
from simgan.engine.evaluation.turing.by_image import p_by_image
from simgan.engine.evaluation.turing.design import PRACTICE, REAL, Design
from simgan.engine.evaluation.turing.panel import ANSWERS, Answer, Panel, Rater

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
COLUMNS = (
    "rater", "part", "position", "image", "truth", "name", "answer", "right", "seconds", "at",
)  # fmt: skip


def plan(design: Design, raters: int) -> list[dict[str, Any]]:
    """What each part can find, before anybody has answered.

    Returns:
        by part: its images, and the least accuracy that is found with probability 0.8 by the
        two-sided test at 5 %, for one rater (`alone`) and for all answers together (`pooled`);
        None where no result could be significant.
    """
    found = []
    for part in design.parts:
        images = len(design.blocks[part])
        found.append(
            {
                "part": part,
                "images": images,
                "answers": images * raters,
                "power": POWER,
                "alpha": round(ALPHA, 3),
                "alone": detectable(images, ALPHA),
                "pooled": detectable(images * raters, ALPHA),
            }
        )
    return found


def report(panel: Panel) -> dict[str, Any]:
    """Everything that a test has found so far, as JSON can hold it. It tells the truth."""
    raters = list(panel.raters.values())
    return {
        "tool": "simgan-engine turing",
        "settings": panel.design.settings,
        "confidence": CONFIDENCE,
        "raters": len(raters),
        "finished": sum(rater.finished for rater in raters),
        "expected": panel.allowed.most,
        "plan": plan(panel.design, max(1, len(raters))),
        "parts": [_part(panel, part, raters) for part in panel.design.parts],
        "images": [row for part in panel.design.parts for row in _images(panel, part, raters)],
    }


def own_rows(panel: Panel, rater: Rater) -> list[dict[str, Any]]:
    """The numbers of one rater by part; they tell the truth about no single image."""
    parts = panel.design.parts
    return [{"part": part, **_row(panel, part, [rater], rater.name)} for part in parts]


def _part(panel: Panel, part: str, raters: Sequence[Rater]) -> dict[str, Any]:
    pooled = _row(panel, part, raters, None)
    pooled["p_by_image"] = _shared_images(panel, part, raters) if pooled["answers"] else None
    rows = [_row(panel, part, [rater], rater.name) for rater in raters]
    return {
        "part": part,
        "images": len(panel.design.blocks[part]),
        "pooled": pooled,
        "raters": rows,
    }


def _row(panel: Panel, part: str, raters: Sequence[Rater], name: str | None) -> dict[str, Any]:
    """Accuracy of some answers; `confusion[truth][answer]` counts as in the paper's table."""
    given = [answer for rater in raters for answer in rater.answers[part]]
    confusion = {truth: dict.fromkeys(ANSWERS, 0) for truth in (REAL, part)}
    for answer in given:
        confusion[panel.design.pictures[answer.image].kind][answer.said] += 1
    right = sum(map(panel.is_right, given))
    count = len(given)
    return {
        "rater": name,
        "finished": all(rater.finished for rater in raters),
        "answers": count,
        "right": right,
        "accuracy": right / count if count else None,
        "interval": list(clopper_pearson(right, count, CONFIDENCE)) if count else None,
        "p": p_two_sided(right, count) if count else None,
        "p_better": p_better(right, count) if count else None,
        "confusion": confusion,
        "median_seconds": _median(given),
    }


def _median(given: Sequence[Answer]) -> float | None:
    known = [answer.seconds for answer in given if answer.seconds is not None]
    return statistics.median(known) if known else None


def _shared_images(panel: Panel, part: str, raters: Sequence[Rater]) -> float:
    images = panel.design.blocks[part]
    place = {image: i for i, image in enumerate(images)}
    counts = np.zeros((2, len(images)), np.int64)
    for rater in raters:
        for answer in rater.answers[part]:
            counts[0, place[answer.image]] += answer.said == REAL
            counts[1, place[answer.image]] += 1
    real = np.array([panel.design.is_real(image) for image in images])
    return p_by_image(real, counts[0], counts[1])


def _images(panel: Panel, part: str, raters: Sequence[Rater]) -> list[dict[str, Any]]:
    """Judged images from the hardest to the easiest: by share of right answers, then by time."""
    by_image: dict[int, list[Answer]] = {}
    for rater in raters:
        for answer in rater.answers[part]:
            by_image.setdefault(answer.image, []).append(answer)
    rows = []
    for image, given in by_image.items():
        picture = panel.design.pictures[image]
        right = sum(map(panel.is_right, given))
        rows.append(
            {
                "part": part,
                "image": image,
                "truth": picture.kind,
                "name": picture.name,
                "answers": len(given),
                "right": right,
                "share": right / len(given),
                "median_seconds": _median(given),
            }
        )
    # Wrong at once is harder than wrong after a long look; right at once is easiest.
    return sorted(rows, key=lambda row: (row["share"], _eagerness(row), row["image"]))


def _eagerness(row: dict[str, Any]) -> float:
    seconds = row["median_seconds"] or 0.0
    return seconds if row["share"] < 0.5 else -seconds


def answers_csv(panel: Panel) -> str:
    """Every answer that counts, a line each; practice is left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rater in panel.raters.values():
        for part, given in rater.answers.items():
            if part == PRACTICE:
                continue
            for position, answer in enumerate(given):
                picture = panel.design.pictures[answer.image]
                right = int(panel.is_right(answer))
                place = (_plain(rater.name), part, position, answer.image)
                said = (answer.said, right, answer.seconds, answer.at)
                writer.writerow((*place, picture.kind, _plain(picture.name), *said))
    return text.getvalue()


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula, and that is Unicode."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "'" + text if text[:1] in "=+-@" else text
