"""Checks and measures this checkout on a machine with an NVIDIA GPU, without network access.

    python benchmarks/gpu_check.py                 all stages
    python benchmarks/gpu_check.py build test      some of them, each call under ten minutes

Stages: build (the native module in place, with CUDA), micro (benchmarks/gpu_micro.py), test
(pytest -m gpu and tests/kernels), ops, refine, step, loop and scaling (cases of `simgan-engine
bench`), record (writes benchmarks/results/<date>-<gpu>.json from what the stages before it left in
build/gpu-check/).

Exit codes: 0 all asked stages passed; 1 one failed (the others still ran); 3 no CUDA device here,
nothing was run.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTES = ROOT / "build" / "gpu-check"
# Cases; autotuning fills a call for each.
BENCH = ("ops", "refine", "step", "loop", "data", "disk", "scaling")
STAGES = ("build", "micro", "test", *BENCH, "record")
NO_DEVICE = 3
LIMIT_S = 570  # of one stage


def main(words: list[str]) -> int:
    """Run the named stages, or all."""
    unknown = [word for word in words if word not in STAGES]
    if unknown:
        print(f"{', '.join(unknown)}: stages are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    problem = _no_device()
    if problem:
        print(f"gpu-check: nothing was run, {problem}")
        return NO_DEVICE
    NOTES.mkdir(parents=True, exist_ok=True)
    failed = [stage for stage in STAGES if stage in (words or STAGES) and not _run(stage)]
    print(f"gpu-check: {'failed: ' + ', '.join(failed) if failed else 'all passed'}")
    return 1 if failed else 0


def _no_device() -> str:
    """Why there is no GPU to check; empty if there is one."""
    try:
        import torch
    except ModuleNotFoundError:
        return "torch is not installed"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device"
    return ""


def _run(stage: str) -> bool:
    print(f"gpu-check: {stage}", flush=True)
    if stage == "build":
        return _build()
    if stage == "micro":
        return _micro()
    if stage == "test":
        return _test()
    if stage == "record":
        return _record()
    return _bench(stage)


def _build() -> bool:
    """Editable install without network; CUDA is required, so a missing nvcc is an error."""
    words = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "-e", "."]
    for mode in ("cuda", "cpu", "off"):
        # Such a machine is lent whole: its own Python is there to be used.
        extra = {"SIMGAN_NATIVE": mode, "PIP_BREAK_SYSTEM_PACKAGES": "1"}
        if _call(words, f"build-{mode}", extra) == 0:
            return mode == "cuda"
        print(f"gpu-check: no build with SIMGAN_NATIVE={mode}", flush=True)
    return False


def _micro() -> bool:
    """What the GPU's units can do, and whether wgmma does what csrc/cuda counts on."""
    script = str(ROOT / "benchmarks" / "gpu_micro.py")
    return _call([sys.executable, script, str(NOTES / "micro.json")], "micro", shown=40) == 0


def _test() -> bool:
    """The GPU tests and the kernels' own; both run even if the first fails."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"]
    gpu = _call([*words, "-m", "gpu", "tests"], "test-gpu")
    kernels = _call([*words, "tests/kernels"], "test-kernels")
    return gpu == 0 and kernels == 0


def _bench(stage: str) -> bool:
    code = "from simgan.cli.main import run; run()"
    words = [sys.executable, "-c", code, "bench", "--json", "--device", "cuda"]
    path = NOTES / f"{stage}.json"
    trace = ["--profile", str(NOTES / "trace.json")] if stage == "step" else []
    with path.open("w") as out:
        done = _call([*words, "--only", stage, *trace], f"bench-{stage}", stdout=out)
    if done != 0:
        print((NOTES / f"bench-{stage}.log").read_text()[-2000:], flush=True)
    try:
        print(json.dumps(json.loads(path.read_text())["summary"]), flush=True)
    except ValueError:
        return False
    return done == 0


def _record() -> bool:
    """One file with what the other stages left: reports, test summaries, hardware, versions."""
    reports = {stage: _report(stage) for stage in BENCH}
    present = {stage: report for stage, report in reports.items() if report}
    if not present:
        print("gpu-check: no benchmark has run, so there is nothing to record")
        return False
    header = next(iter(present.values()))["header"]
    for stage, report in present.items():
        if _origin(report["header"]) != _origin(header):
            print(f"gpu-check: not recorded, {stage} is of another commit, torch or GPU")
            return False
    cases = [row for report in present.values() for row in report["cases"]]
    from simgan.engine.benchmark.summary import own_red, summary  # the build stage has installed it

    tests = {name: _last_line(NOTES / f"test-{name}.log") for name in ("gpu", "kernels")}
    commands = [report["header"]["command"] for report in present.values()]
    found = summary(header["device"], cases)
    if own_red(found):
        print(f"gpu-check: not recorded, these results are wrong: {', '.join(own_red(found))}")
        return False
    record = {
        "header": {**header, "command": commands},
        "tests": tests,
        "cases": cases,
        "summary": found,
        "micro": _report("micro"),
    }
    name = re.sub(r"[^a-z0-9]+", "-", header["gpu"]["name"].lower()).strip("-")
    path = ROOT / "benchmarks" / "results" / f"{time.strftime('%Y-%m-%d')}-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    out = os.environ.get("OUT")
    if out:  # a folder whose files are carried home from a borrowed machine
        (Path(out) / path.name).write_text(path.read_text())
    print(f"gpu-check: wrote {path.relative_to(ROOT)}; tests: {tests}")
    return True


def _origin(header: dict[str, Any]) -> tuple[str, str, str]:
    return header["commit"], header["torch"], header["gpu"]["name"]


def _report(stage: str) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads((NOTES / f"{stage}.json").read_text())
    except (OSError, ValueError):
        return None
    return report


def _last_line(path: Path) -> str | None:
    lines = path.read_text().strip().splitlines() if path.exists() else []
    return lines[-1] if lines else None


def _call(
    words: list[str],
    name: str,
    extra: dict[str, str] | None = None,
    stdout: Any = None,
    shown: int = 15,
) -> int:
    """Exit code of a command; output goes to build/gpu-check/NAME.log, its end to the screen."""
    log_path = NOTES / f"{name}.log"
    with log_path.open("w") as log:
        try:
            done = subprocess.run(
                words,
                cwd=ROOT,
                env={**os.environ, **(extra or {})},
                stdout=stdout or log,
                stderr=log if stdout else subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            done = 124
    if stdout is None:
        print("\n".join(log_path.read_text().splitlines()[-shown:]), flush=True)
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
