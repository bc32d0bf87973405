"""Makes the speed tables of README.md and benchmarks/README.md from benchmarks/results/.

    python benchmarks/tables.py                 rewrite both tables
    python benchmarks/tables.py REPORT.json     record this report of `bench --json` first

A report is recorded as results/<date>-<machine>.json, with -quick behind it if it was; another one
of the same day, machine and kind takes its place. A report with a red gate is not recorded. Exit
codes: 0 done, 1 refused, 2 usage.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from simgan.engine.benchmark.comparison import load_report
from simgan.engine.benchmark.names import OURS
from simgan.engine.benchmark.summary import own_red, summary

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
CASES = {"refine": "refine", "step": "full step (K_g {k_g}, K_d {k_d})"}
Report = dict[str, Any]


def main(words: list[str]) -> int:
    """Record the named reports, then rewrite both files."""
    try:
        for word in words:
            print(f"recorded {record(load_report(Path(word)), RESULTS).relative_to(ROOT)}")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    reports = recorded(RESULTS)
    for name, table in (("README.md", newest), ("benchmarks/README.md", every)):
        path = ROOT / name
        path.write_text(with_table(path.read_text(encoding="utf-8"), table(reports)))
    return 0


def record(report: Report, folder: Path) -> Path:
    """Keep a report.

    Raises:
        ValueError: a gate of the engine's is red; a baseline that is wrong has no times.
    """
    header, red = report["header"], own_red(report["summary"])
    if red:
        raise ValueError(f"not recorded, because these results are wrong: {', '.join(red)}")
    machine = header["gpu"]["name"] if header["gpu"] else f"cpu {header['cpu']}"
    slug = re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")
    quick = "-quick" if header["quick"] else ""
    path = folder / f"{header['date'][:10]}-{slug}{quick}.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return path


def recorded(folder: Path) -> dict[str, Report]:
    """File name to report, the oldest first; summed up anew, so that old ones have all fields."""
    reports = {path.name: load_report(path) for path in folder.glob("*.json")}
    for report in reports.values():
        report["summary"] = summary(report["header"]["device"], report["cases"])
    return dict(sorted(reports.items(), key=lambda item: str(item[1]["header"]["date"])))


def with_table(text: str, table: str) -> str:
    """`text` with what stands between its markers replaced.

    Raises:
        ValueError: it does not have the two markers once each.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the text must have {BEGIN} and {END} once each")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def newest(reports: dict[str, Report]) -> str:
    """The newest full report with networks of each kind of device, row by row; else a quick one."""
    latest: dict[str, str] = {}
    for name, report in sorted(reports.items(), key=lambda item: not item[1]["header"]["quick"]):
        if report["summary"]["refine_images_per_s"]:
            latest[report["summary"]["device"].partition(":")[0]] = name
    return "\n\n".join(_networks(name, reports[name]) for _, name in sorted(latest.items()))


def every(reports: dict[str, Report]) -> str:
    """One line per report, the newest first."""
    lines = [
        "| file | machine | refine, images/s | faster by | step, s | faster by | loop | disk |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, report in reversed(reports.items()):
        found = report["summary"]
        cells = [
            f"[{name}](results/{name})",
            _machine(report["header"]),
            _number(found["refine_images_per_s"]),
            _against(found, "refine"),
            f"{found['step_seconds']:.4g}" if found["step_seconds"] else "",
            _against(found, "step"),
            _share(found["loop_efficiency"]),
            _share(found["disk_to_disk_efficiency"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _networks(name: str, report: Report) -> str:
    header, found = report["header"], report["summary"]
    size = "x".join(map(str, header["image"]))
    lines = [
        f"| gaze networks, {size}, {_conditions(header)} | images/s | the engine is faster by |",
        "|---|---|---|",
    ]
    for case, title in CASES.items():
        for row in (row for row in report["cases"] if row["case"] == case and row["seconds"]):
            over = row.get("time_over_ours")
            said = "" if row["variant"] == OURS or not over else f"{over:.2f} times"
            label = f"{title.format(**header)}: {row['variant']}"
            lines.append(f"| {label} | {_number(row['images_per_s'])} | {said} |")
    command = header["command"]
    command = command if isinstance(command, str) else "; ".join(command)
    about = f"{_hardware(header)}, PyTorch {header['torch']}, commit {header['commit']}, "
    about += f"`{command}` on {header['date'][:10]}, medians of ratios within rounds: "
    about += f"[the whole record](benchmarks/results/{name})."
    if found["loop_efficiency"]:
        about += (
            "\nThe training loop with its data, metrics, sample grids and checkpoints kept "
            f"{_share(found['loop_efficiency'])} of the bare step's speed."
        )
    if found["disk_to_disk_efficiency"]:
        about += (
            f"\nFrom disk to disk, refining ran at {_share(found['disk_to_disk_efficiency'])} or "
            "more of what decoding, refining and encoding alone allow on the cores they share, "
            f"{_share(found['disk_to_disk_of_slowest_part'])} or more of the slowest of them alone."
        )
    for left, why in found["left_out"].items():
        about += f"\n{left} took no part: {why}."
    return "\n".join(lines) + f"\n\n{about}"


def _hardware(header: Report) -> str:
    return str(header["gpu"]["name"] if header["gpu"] else header["cpu"])


def _conditions(header: Report) -> str:
    dtype = header["precision"].split(", ")[1]
    threads = f", {header['threads']} thread{'s' * (header['threads'] > 1)}"
    return f"{dtype}, b = {header['batch']}" + ("" if header["gpu"] else threads)


def _machine(header: Report) -> str:
    load = header.get("load_before")
    busy = f"; load {load:.1f} before" if load and load > header["cores"] / 2 else ""
    return f"{_hardware(header)}, {_conditions(header)}{busy}"


def _against(found: Report, case: str) -> str:
    ratio = found[f"{case}_vs_best_torch"]
    return f"{ratio:.2f} ({found[f'{case}_best_torch']})" if ratio else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _share(value: float | None) -> str:
    return f"{100 * value:.1f} %" if value else ""


if __name__ == "__main__":
    if any(word.startswith("-") for word in sys.argv[1:]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
