"""Does refinement help? Whole pipelines, several times over, and what they show.

    python benchmarks/experiments.py demo                procedural eyes; docs/results/demo.json
    python benchmarks/experiments.py mpiigaze columbia   real eyes; docs/results/NAME.json
    python benchmarks/experiments.py ablation            procedural eyes; docs/results/ablation.md
    python benchmarks/experiments.py tune mpiigaze lambda_reg=1 lambda_reg=3,steps=800
    python benchmarks/experiments.py tables              the tables of docs/experiments.md

A replication is a refiner of its own seed and estimators of the same seed, so the intervals are
over whole pipelines and test images (or persons); where a plan has fewer refiners, they are over
estimators of those refiners. Every step is kept in
build/experiments and is not made again; a refiner that was interrupted goes on. `tune` looks at
labelled eyes of *training* people; the test sets are touched by the experiments alone.
Real eyes are read from --data FOLDER (default ../shared/data).
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from experiment_plans import ABLATION, PLANS, Plan, real_plan
from experiment_tables import tables, write_tables
from numpy.typing import NDArray

from simgan.engine import ablate, evaluate, refine, resume, train
from simgan.engine.config import to_dict, train_config
from simgan.engine.evaluation.statistics import compare
from simgan.engine.run_folder import environment

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "experiments"
RESULTS = ROOT / "docs" / "results"
CONFIDENCE = 0.95


class Teller:
    """Prints phases and warnings; one line of metrics a minute."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = time.monotonic()

    def phase(self, name: str, total: int, done: int) -> None:
        """A phase begins."""
        print(f"  {self._what}: {name}", flush=True)

    def tick(self, metrics: dict[str, float]) -> None:
        """Metrics came."""
        if time.monotonic() - self._told > 60:
            self._told = time.monotonic()
            print(f"  {self._what}: step {metrics['step']:.0f}", flush=True)

    def message(self, text: str) -> None:
        """Nothing that the result does not hold."""

    def warning(self, text: str) -> None:
        """What somebody should know."""
        print(f"  {self._what}: warning: {text}", flush=True)


def run(plan: Plan, kept: Path) -> dict[str, Any]:
    """Train, refine and evaluate a plan; what is in `kept` already is not made again."""
    started, commit = time.perf_counter(), _commit()  # the tree may move on before the end
    kept.mkdir(parents=True, exist_ok=True)
    refined = [_refined(plan, seed, kept) for seed in range(plan.refiners)]
    estimators = {}
    for name, settings in plan.estimators.items():
        errors: dict[str, NDArray[np.float64]] = {}
        for arm, source in plan.arms.items():
            rows = []
            for number in range(plan.replications):
                path = source or refined[number % plan.refiners]
                seeds = range(plan.each * number, plan.each * (number + 1))
                place = kept / f"{name}-{arm}"
                each = [_errors(plan, arm, path, settings, seed, place) for seed in seeds]
                rows.append(np.mean(each, axis=0))
            errors[arm] = np.stack(rows)
        estimators[name] = {"settings": settings, **judged(errors, plan.units())}
    return {
        "name": plan.name,
        "plan": plan.described(),
        "estimators": estimators,
        "labels": [_label_check(plan, seed, path, kept) for seed, path in enumerate(refined)],
        "environment": environment(),
        "commit": commit,
        "seconds_of_this_call": round(time.perf_counter() - started),
    }


def judged(errors: dict[str, NDArray[np.float64]], units: NDArray[Any]) -> dict[str, Any]:
    """Errors by arm and replication, and each arm against the first.

    Args:
        errors: degrees [R, N] of each arm.
        units: [N], what the test images are sampled by.
    """
    arms = list(errors)
    found: dict[str, Any] = {
        "errors": {arm: rows.mean(axis=1).tolist() for arm, rows in errors.items()},
        "medians": {arm: np.median(rows, axis=1).tolist() for arm, rows in errors.items()},
        "comparisons": {},
    }
    for arm in arms[1:]:
        reference = "synthetic, matched" if arm == "refined" else arms[0]
        reference = reference if reference in errors else arms[0]
        result = compare(errors[reference], errors[arm], units, CONFIDENCE)
        found["comparisons"][arm] = {
            "reference": reference,
            "difference": vars(result.difference),
            "gain": vars(result.gain),
            "p": result.p,
        }
    return found


def _refined(plan: Plan, seed: int, kept: Path) -> str:
    """The synthetic set refined by a refiner of this seed."""
    folder, output = kept / f"refiner-{seed}", kept / f"refined-{seed}.npz"
    config = train_config({**plan.train, "seed": seed, "out": str(folder)})
    if (folder / "config.json").is_file():
        before = json.loads((folder / "config.json").read_bytes())
        wanted = {
            name: value
            for name, value in plan.train.items()
            if name not in ("data", "synthetic", "real")
        }
        changed = [name for name, value in wanted.items() if before[name] != value]
        if changed:
            sys.exit(f"{folder} was trained with another {changed[0]}: remove it to train it anew")
    if output.is_file():
        return str(output)
    teller = Teller(f"{plan.name}, refiner {seed}")
    if not (folder / "config.json").is_file():
        train(config, observer=teller)
    elif _steps_done(folder) < to_dict(config)["steps"]:
        resume(folder, observer=teller)
    refine({"run": str(folder), "output": str(output), "format": "npz"})
    return str(output)


def _steps_done(folder: Path) -> int:
    names = [path.name for path in (folder / "checkpoints").glob("step-*")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


def _errors(
    plan: Plan, arm: str, source: str, settings: dict[str, Any], seed: int, place: Path
) -> NDArray[np.float64]:
    """Degrees [N] of one estimator trained on `source`."""
    folder = place.with_name(f"{place.name}-{seed}".replace(" ", "-").replace(",", ""))
    if not (folder / "evaluation.json").is_file():
        matched = {"match_labels": plan.match} if arm in plan.matched else {}
        evaluate(
            {
                **settings,
                **matched,
                "train": (f"{arm.replace(',', '')}={source}",),
                "test": plan.test,
                "seeds": 1,
                "seed": seed,
                "baselines": False,
                "out": str(folder),
            },
            observer=Teller(f"{plan.name}, {arm}, seed {seed}"),
        )
    with np.load(folder / "errors.npz") as arrays:
        errors: NDArray[np.float64] = arrays["errors"][0, 0]
    return errors


def _label_check(plan: Plan, seed: int, refined: str, kept: Path) -> dict[str, Any]:
    """How far refining moved the pupils; see `simgan-engine check-labels`."""
    from simgan.engine import check_labels

    file = kept / f"labels-{seed}.json"
    if not file.is_file():
        settings = {
            "synthetic": plan.train["synthetic"],
            "refined": refined,
            "measure": ("pupil",),
            "data": plan.train.get("data", {}),
        }
        report = check_labels(settings).report
        kept_facts = {name: report[name] for name in ("unit", "measures", "notes", "failures")}
        file.write_text(json.dumps({"pairs": report["pairs"]["compared"], **kept_facts}))
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _commit() -> str:
    words = ("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def _tune(words: list[str], data: Path) -> None:
    """Settings against eyes of training people: three replications are cheap, and say enough."""
    name, *choices = words
    for choice in choices or [""]:
        changes = dict(part.split("=", 1) for part in choice.split(",") if part)
        plan = real_plan(name, data, validation=True).changed(changes)
        found = run(plan, KEPT / f"tune-{name}" / (choice or "as-planned"))
        for estimator, item in found["estimators"].items():
            means = {arm: round(float(np.mean(e)), 2) for arm, e in item["errors"].items()}
            print(f"{choice or 'as planned'}: {estimator}: {means}", flush=True)


def _ablation() -> None:
    """The paper's ablations on procedural eyes, by `simgan-engine ablate`."""
    folder = KEPT / "ablation"
    ablate({**ABLATION, "out": str(folder)}, observer=Teller("ablation"))
    RESULTS.mkdir(parents=True, exist_ok=True)
    for file in ("ablation.md", "stability.png"):
        shutil.copyfile(folder / file, RESULTS / file)


def main(words: list[str]) -> int:
    """Run what is named."""
    data = ROOT.parent / "shared" / "data"
    if "--data" in words:
        at = words.index("--data")
        data = Path(words[at + 1])
        words = words[:at] + words[at + 2 :]
    if words[:1] == ["tune"]:
        _tune(words[1:], data)
        return 0
    for name in words:
        if name not in (*PLANS, "ablation", "tables"):
            known = ", ".join((*PLANS, "ablation", "tables"))
            print(f"{name}: experiments are {known}", file=sys.stderr)
            return 2
    for name in words:
        if name == "tables":
            write_tables()
            continue
        if name == "ablation":
            _ablation()
            continue
        plan = PLANS[name](data)
        if plan is None:
            print(f"{name}: skipped, there are no real eyes in {data}")
            continue
        result = run(plan, KEPT / name)
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(f"{tables(result)}\n\nwrote docs/results/{name}.json", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
