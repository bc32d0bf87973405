"""The few numbers of a report that are followed from one version to the next; no torch."""

from typing import Any

from simgan.engine.benchmark.names import OURS, TORCH
from simgan.engine.benchmark.plan import COMPILING

Row = dict[str, Any]


def summary(device: str, cases: list[Row]) -> dict[str, Any]:
    """Each is None where it was not measured.

    `*_vs_best_torch` is the time of the fastest plain PyTorch divided by ours: above 1 ours is
    faster; `*_best_torch` names it, and `left_out` the baselines that took no part, with the
    reason. `disk_to_disk_efficiency` is the lowest over the formats, of what decoding, refining and
    encoding alone allow on their cores; `disk_to_disk_of_slowest_part` the same against the slowest
    of the three alone, as if it left the others its cores.
    """
    red = [row_name(row) for row in cases if row["gate"] == "red"]
    refine, step = _ours("refine", cases), _ours("step", cases)
    loop = next((row for row in cases if row["case"] == "loop"), None)
    disk = [row for row in cases if row["case"] == "disk" and row.get("efficiency")]
    found: dict[str, Any] = {"device": device, "gates": red or "green"}
    for case in COMPILING:
        best = _best_torch(case, cases)
        found[f"{case}_vs_best_torch"] = best["time_over_ours"] if best else None
        found[f"{case}_best_torch"] = best["variant"] if best else None
    return {
        **found,
        "refine_images_per_s": refine["images_per_s"] if refine else None,
        "step_seconds": step["seconds"]["median"] if step else None,
        "loop_efficiency": loop["efficiency"] if loop else None,
        "disk_to_disk_efficiency": _least("efficiency", disk),
        "disk_to_disk_of_slowest_part": _least("of_slowest_part", disk),
        "left_out": {row_name(row): row["skipped"] for row in cases if row["skipped"]},
    }


def own_red(found: dict[str, Any]) -> list[str]:
    """The red rows of a summary that are the engine's, not a baseline's.

    A baseline that is wrong has no times and so cannot be the best one; it says nothing against the
    others.
    """
    gates = found["gates"]
    return [] if gates == "green" else [name for name in gates if not name.endswith(TORCH)]


def row_name(row: Row) -> str:
    """What tells a row from the others of its report: case, mode or point, variant."""
    parts = (row["case"], row.get("mode"), row.get("axis"), row.get("point"), row["variant"])
    return " ".join(filter(None, parts))


def _least(name: str, rows: list[Row]) -> float | None:
    return min((float(row[name]) for row in rows if row.get(name)), default=None)


def _ours(case: str, cases: list[Row]) -> Row | None:
    rows = (row for row in cases if row["case"] == case and row["variant"] == OURS)
    return next((row for row in rows if row["seconds"] is not None), None)


def _best_torch(case: str, cases: list[Row]) -> Row | None:
    """The fastest timed baseline of a case: the one that ours gains least on."""
    rows = [
        row
        for row in cases
        if row["case"] == case and row["variant"] != OURS and row.get("time_over_ours")
    ]
    return min(rows, key=lambda row: float(row["time_over_ours"]), default=None)
