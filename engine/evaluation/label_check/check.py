"""`check_labels`: pairs in, what moved in them out."""

import io
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import to_dict
from simgan.engine.durable import replace_file
from simgan.engine.errors import DataError
from simgan.engine.evaluation.label_check.config import (
    MEASURES,
    CheckLabelsConfig,
    check_labels_config,
)
from simgan.engine.evaluation.label_check.measures import ALL, Compared, Measured, compared
from simgan.engine.evaluation.label_check.run_pairs import load_pairs
from simgan.engine.evaluation.label_check.worst_sheet import draw_worst
from simgan.engine.evaluation.result_folder import new_result_folder
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.run_folder import environment

JSON_FILE, ARRAYS_FILE, SHEET_FILE = "check.json", "shifts.npz", "worst.png"
MANY_FAILED = 0.2  # of the pairs
HARDLY_ALIKE = 0.3  # median correlation of edges


@dataclass(frozen=True)
class CheckLabelsResult:
    """What a label check found.

    Attributes:
        report: plain values, as in check.json.
        arrays: values per pair, as in shifts.npz.
        failures: a sentence for every limit that was exceeded; empty when the check passed.
        files: that were written; none without `config.out`.
    """

    report: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    failures: list[str]
    files: list[Path]


def check_labels(
    config: CheckLabelsConfig | Mapping[str, Any] | None = None, *, observer: Observer | None = None
) -> CheckLabelsResult:
    """Measure how far refining moved what labels describe.

    Lengths are px of images `config.width` wide. A measure that a set does not allow is left out
    and says why; one that was asked for by name or limit raises instead.

    Args:
        config: settings, or a mapping of them for `check_labels_config`.
        observer: is told of progress; silent by default.
    Raises:
        ConfigError, DataError: settings or sets are not usable, or a measure that was asked for is
        not possible. CheckpointError: the run has no weights. DiskError: nothing can be written.
    """
    if not isinstance(config, CheckLabelsConfig):
        config = check_labels_config(config)
    observer = observer or SilentObserver()
    started = time.perf_counter()
    folder = new_result_folder(config.out, JSON_FILE, "a label check")
    pairs = load_pairs(config, observer)
    observer.message(
        f"comparing {len(pairs):,} pairs of {pairs.facts['synthetic']['location']} and "
        f"{pairs.facts['refined']['location']}"
    )
    images = compared(pairs, config, observer)
    measures, skipped = _measure(images)
    failures = _failures(measures, config)
    report = _plain(
        {
            "config": to_dict(config),
            "environment": environment(),
            "pairs": pairs.facts,
            "unit": f"px at a width of {config.width} px",
            "confidence": config.confidence,
            "measures": {name: found.report for name, found in measures.items()},
            "skipped": skipped,
            "notes": _notes(measures, len(pairs)),
            "failures": failures,
            "seconds": time.perf_counter() - started,
        }
    )
    arrays = {"names": np.array(pairs.names)}
    for found in measures.values():
        arrays |= found.arrays
    files = _write(folder, report, arrays, images, measures) if folder else []
    return CheckLabelsResult(report, arrays, failures, files)


def _measure(images: Compared) -> tuple[dict[str, Measured], dict[str, str]]:
    """What every wanted measure found, and why the others are left out."""
    found: dict[str, Measured] = {}
    skipped: dict[str, str] = {}
    for name in MEASURES:
        if not images.config.wants(name):
            continue
        try:
            found[name] = ALL[name](images)
        except DataError as error:
            if images.config.needs(name):
                raise
            skipped[name] = ". ".join(part for part in (error.what, error.fix) if part)
            images.observer.message(f"{name} is left out: {skipped[name]}")
    if not found:
        raise DataError("no measure is possible", where="; ".join(skipped.values()))
    return found, skipped


def _failures(measures: Mapping[str, Measured], config: CheckLabelsConfig) -> list[str]:
    failures = []
    if config.max_shift is not None:
        median = measures["pupil"].report["median"]["value"]
        if median > config.max_shift:
            failures.append(
                f"the pupil's centre moved by {median:.2f} px in the median, "
                f"more than {config.max_shift:g} px"
            )
    if config.max_error_change is not None:
        change = measures["estimator"].report["change"]["value"]
        if change > config.max_error_change:
            failures.append(
                f"refining raises the estimator's mean error by {change:.2f} degrees, "
                f"more than {config.max_error_change:g}"
            )
    return failures


def _notes(measures: Mapping[str, Measured], count: int) -> list[str]:
    """What must be borne in mind with the numbers."""
    notes = []
    if "pupil" in measures:
        failed = measures["pupil"].report["failed"]["pairs"]
        if failed > MANY_FAILED * count:
            notes.append(
                f"no iris was found in {failed:,} of {count:,} pairs: what the pupil's shift says "
                "is about the others"
            )
    if "edges" in measures:
        median = measures["edges"].report["correlation"]["median"]["value"]
        if median < HARDLY_ALIKE:
            notes.append(
                f"edges hardly agree (median correlation {median:.2f}): are these the same images?"
            )
    if "estimator" in measures:
        notes.append(
            "the estimator has not seen refined images: a change of its error is not moved labels "
            "alone, but the new look, too"
        )
        if measures["estimator"].report["seeds"] == 1:
            notes.append("one estimator: its intervals say nothing about other seeds")
    return notes


def _write(
    folder: Path,
    report: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    images: Compared,
    measures: dict[str, Measured],
) -> list[Path]:
    """Write all files; check.json comes last."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    files = {
        ARRAYS_FILE: packed.getvalue(),
        SHEET_FILE: draw_worst(images, measures),
        JSON_FILE: (json.dumps(report, indent=1, allow_nan=False) + "\n").encode(),
    }
    for name, data in files.items():
        replace_file(folder / name, data)
    return [folder / name for name in files]


def _plain(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
