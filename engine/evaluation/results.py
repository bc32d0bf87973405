"""The folder of an evaluation: evaluation.json, errors.npz, curves.png."""

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.durable import replace_file
from simgan.engine.evaluation.result_folder import new_result_folder
from simgan.engine.evaluation.task import Task
from simgan.engine.observer import Observer

JSON_FILE, ERRORS_FILE, CURVES_FILE = "evaluation.json", "errors.npz", "curves.png"


def prepare_folder(out: str | None, observer: Observer) -> Path | None:
    """See `new_result_folder`; warns where there will be no picture."""
    folder = new_result_folder(out, JSON_FILE, "an evaluation")
    if folder is not None and importlib.util.find_spec("matplotlib") is None:
        observer.warning("no curves.png without matplotlib: install simgan-engine[plots]")
    return folder


def write_results(
    folder: Path,
    report: dict[str, Any],
    task: Task,
    names: list[str],
    errors: NDArray[np.float64],
) -> list[Path]:
    """Write what an evaluation found; evaluation.json comes last.

    Args:
        folder: where to.
        report: for evaluation.json.
        task: for the names of the figures.
        names: of the N test images.
        errors: [A, S, N] or [A, S, N, P] of every arm, seed, test image and part.
    Returns:
        the files.
    """
    arms = [arm["name"] for arm in report["arms"]]
    seeds = [row["seed"] for row in report["arms"][0]["seeds"]]
    packed = io.BytesIO()
    np.savez_compressed(packed, errors=errors, arms=arms, seeds=seeds, names=np.array(names))
    files = {ERRORS_FILE: packed.getvalue()}
    if importlib.util.find_spec("matplotlib") is not None:
        from simgan.engine.evaluation.curves import draw_curves

        files[CURVES_FILE] = draw_curves(report, errors, task)
    files[JSON_FILE] = (json.dumps(report, indent=1, allow_nan=False) + "\n").encode()
    for name, data in files.items():
        replace_file(folder / name, data)
    return [folder / name for name in files]
