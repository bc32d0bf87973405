"""The folder of a realism check: realism.json, realism.png."""

import importlib.util
import json
from pathlib import Path
from typing import Any

from simgan.engine.durable import replace_file
from simgan.engine.evaluation.result_folder import new_result_folder
from simgan.engine.observer import Observer

JSON_FILE, PLOT_FILE = "realism.json", "realism.png"


def prepare_folder(out: str | None, observer: Observer) -> Path | None:
    """See `new_result_folder`; warns where there will be no picture."""
    folder = new_result_folder(out, JSON_FILE, "a realism check")
    if folder is not None and importlib.util.find_spec("matplotlib") is None:
        observer.warning(f"no {PLOT_FILE} without matplotlib: install simgan-engine[plots]")
    return folder


def write_results(folder: Path, report: dict[str, Any]) -> list[Path]:
    """Write what a check found; realism.json comes last. Returns the files."""
    files = {}
    if importlib.util.find_spec("matplotlib") is not None:
        from simgan.engine.evaluation.realism.plot import draw

        files[PLOT_FILE] = draw(report)
    files[JSON_FILE] = (json.dumps(report, indent=1, allow_nan=False) + "\n").encode()
    for name, data in files.items():
        replace_file(folder / name, data)
    return [folder / name for name in files]
