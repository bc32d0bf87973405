"""Two reports of the benchmark beside each other; imports no torch."""

import json
from pathlib import Path
from typing import Any

from simgan.engine.benchmark.summary import row_name

# What must be equal for two times to mean the same: the header's name, and what to call it.
CONDITIONS = {
    "device": "device",
    "cpu": "CPU",
    "threads": "threads",
    "torch": "torch",
    "triton": "triton",
    "python": "Python",
    "precision": "precision",
    "batch": "batch",
    "image": "image",
    "refiner": "refiner",
    "k_g": "K_g",
    "k_d": "K_d",
}


def load_report(path: Path) -> dict[str, Any]:
    """A report that `simgan-engine bench --json` wrote.

    Raises:
        ValueError: the file cannot be read or is no such report; says which and why.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    problem = _problem(report)
    if problem:
        raise ValueError(f"{path} is not a report of 'simgan-engine bench --json': {problem}")
    found: dict[str, Any] = report
    return found


def compare(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Medians of the rows that both reports timed.

    Returns:
        `rows`: name, old and new seconds, `speedup` (old by new: above 1 the new is faster);
        `differences`: one sentence per condition that differs; `only_old`, `only_new`: names of
        timed rows that the other report lacks.
    """
    before, now = _timed(old), _timed(new)
    rows = [
        {
            "name": name,
            "old_seconds": before[name],
            "new_seconds": seconds,
            "speedup": before[name] / seconds,
        }
        for name, seconds in now.items()
        if name in before
    ]
    return {
        "old_commit": old["header"].get("commit"),
        "old_date": old["header"].get("date"),
        "rows": rows,
        "differences": _differences(old["header"], new["header"]),
        "only_old": [name for name in before if name not in now],
        "only_new": [name for name in now if name not in before],
    }


def _problem(report: Any) -> str:
    if not isinstance(report, dict):
        return "it holds no object"
    for name, kind in (("header", dict), ("cases", list), ("summary", dict)):
        if not isinstance(report.get(name), kind):
            return f"it has no {name!r}"
    for row in report["cases"]:
        if not isinstance(row, dict) or not {"case", "variant"} <= row.keys():
            return "a row without 'case' and 'variant' is in it"
    return ""


def _timed(report: dict[str, Any]) -> dict[str, float]:
    """Name to median seconds; shapes are part of the name, so other sizes are other rows."""
    found = {}
    for row in report["cases"]:
        if row.get("seconds"):
            shape = "x".join(map(str, row.get("shape", ())))
            found[f"{row_name(row)} {shape}".strip()] = float(row["seconds"]["median"])
    return found


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    pairs = {said: (old.get(name), new.get(name)) for name, said in CONDITIONS.items()}
    pairs["GPU"] = _gpu(old), _gpu(new)
    return [f"{said}: {was}, now {now}" for said, (was, now) in pairs.items() if was != now]


def _gpu(header: dict[str, Any]) -> str | None:
    gpu = header.get("gpu")
    return f"{gpu['name']}, driver {gpu.get('driver')}" if isinstance(gpu, dict) else None
