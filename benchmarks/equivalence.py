"""Does training on the C++ kernels take the road that training on plain torch takes?

    python benchmarks/equivalence.py                        # a few minutes on two cores
    python benchmarks/equivalence.py --steps 50 --perturbed 4 --json build/equivalence.json

Rounding differs between backends, and training amplifies every difference, so equal curves are not
to be had from any two correct programs. What can be asked is that the backend deviates no more than
rounding itself: this trains the same small SimGAN on procedural eyes, from one seed, with
1. every op on the backend `reference`: the road itself;
2. the same again, several times, each initial weight of the refiner moved by one unit in the last
   place up or down at random: how far rounding leads away from the road;
3. every op on the backend under test.

Deviation of a run: |loss - loss of the road| / |loss of the road|, step by step, for the refiner's
and the discriminator's loss. Per window of steps its root mean square is taken. The backend passes
if in every window, for both losses, its value is at most SLACK times the largest among the
perturbed runs, or FLOOR where all are smaller. The statistic is sharpest in the first windows,
where rounding has not grown yet. For comparison the same excess is given of every perturbed run
over the others: of many windows one run or another stands out in some, the backend or not.

Exit codes: 0 the backend stays within the spread; 1 it does not.
"""

import argparse
import dataclasses
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from simgan.engine.benchmark.machine import commit, cpu_model
from simgan.engine.config import TrainConfig, train_config
from simgan.engine.data.packing import pack
from simgan.engine.data.procedural_eyes.source import ProceduralEyes
from simgan.engine.observer import SilentObserver
from simgan.engine.refiner import Refiner
from simgan.engine.run_folder import environment
from simgan.engine.run_state import Training
from simgan.engine.setup import Arrays, build_training
from simgan.engine.step import discriminator_step, refined_needed, refiner_step

ROOT = Path(__file__).resolve().parent.parent
LOSSES = ("refiner_loss", "discriminator_loss")
SLACK = 2.0
FLOOR = 4 * 2.0**-23  # four last places of a float32 loss

Curves = dict[str, list[float]]  # loss to its value per step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """What is trained, and for how long.

    Attributes:
        size: (H, W) of the eyes.
        images: in each of the two sets.
        perturbed: runs from perturbed weights.
        window: steps over which deviations are averaged.
    """

    steps: int = 200
    batch: int = 4
    width: int = 32
    blocks: int = 2
    size: tuple[int, int] = (35, 55)
    images: int = 256
    perturbed: int = 4
    window: int = 20
    seed: int = 0

    def config(self, backend: str) -> TrainConfig:
        """Settings of one run; those not named here are the paper's."""
        return train_config(
            {
                "preset": "gaze",
                "steps": self.steps,
                "batch": self.batch,
                "width": self.width,
                "blocks": self.blocks,
                "history_capacity": 8 * self.batch,
                "pretrain_refiner_steps": 0,
                "pretrain_discriminator_steps": 0,
                "device": "cpu",
                "channels_last": True,
                "seed": self.seed,
                "backend": backend,
            }
        )


def draw_arrays(trial: Trial) -> Arrays:
    """The two sets of procedural eyes."""
    with tempfile.TemporaryDirectory(prefix="simgan-equivalence-") as folder:
        return Arrays(
            *(
                pack(
                    ProceduralEyes(kind, trial.images, trial.seed, *trial.size), cache=Path(folder)
                )
                for kind in ("synthetic", "camera")
            )
        )


def train_curves(
    trial: Trial, arrays: Arrays, backend: str, perturbation: int | None = None
) -> Curves:
    """Losses of one run of Algorithm 1.

    Args:
        backend: of every op that has it.
        perturbation: seed of the signs of the one-ulp steps of the weights; None for no steps.
    """
    training = build_training(trial.config(backend), arrays, SilentObserver())
    if perturbation is not None:
        perturb(training.players.refiner, perturbation)
    curves: Curves = {name: [] for name in LOSSES}
    try:
        for losses in _steps(training):
            for name in LOSSES:
                curves[name].append(losses[name])
    finally:
        training.synthetic.close()
        training.real.close()
    return curves


def _steps(training: Training) -> Iterator[dict[str, float]]:
    """Per step of Algorithm 1 the losses of its last refiner and discriminator update."""
    config, players = training.config, training.players
    for _ in range(config.steps):
        for _ in range(config.k_g):
            synthetic = players.precision.images(training.synthetic.next(config.batch))
            metrics = refiner_step(players, synthetic)
        for _ in range(config.k_d):
            stored = 0 if players.history is None else len(players.history)
            needed = refined_needed(stored, config.batch)
            synthetic = players.precision.images(training.synthetic.next(needed))
            real = players.precision.images(training.real.next(config.batch))
            metrics |= discriminator_step(players, synthetic, real)
        yield {name: metrics[name].item() for name in LOSSES}


def perturb(refiner: Refiner, seed: int) -> None:
    """Move each weight by one unit in the last place, up or down."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in refiner.parameters():
            up = torch.rand(weight.shape, generator=generator) < 0.5
            towards = torch.where(up, float("inf"), float("-inf"))
            weight.copy_(torch.nextafter(weight, towards.to(weight)))


def deviations(curves: Curves, road: Curves, window: int) -> Curves:
    """Loss to the root mean square, per window, of its relative deviation from the road."""
    found = {}
    for name in LOSSES:
        pairs = zip(curves[name], road[name], strict=True)
        squares = [((one - other) / other) ** 2 for one, other in pairs]
        parts = [squares[start : start + window] for start in range(0, len(squares), window)]
        found[name] = [math.sqrt(sum(part) / len(part)) for part in parts]
    return found


def excess(tested: Curves, perturbed: list[Curves]) -> float:
    """Largest ratio, over losses and windows, of a run's deviation to the spread of others.

    Args:
        tested: deviations of the run.
        perturbed: deviations of the perturbed runs; the largest one of a window, and at least
            FLOOR, is the spread there.
    """
    return max(
        deviation / max(FLOOR, *(run[name][place] for run in perturbed))
        for name in LOSSES
        for place, deviation in enumerate(tested[name])
    )


def compare(trial: Trial, backend: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Train all runs; the curves, the deviations per window, their excess and the verdict."""
    arrays = draw_arrays(trial)
    say("reference")
    road = train_curves(trial, arrays, "reference")
    say(backend)
    tested = train_curves(trial, arrays, backend)
    spread = []
    for number in range(trial.perturbed):
        say(f"perturbed {number + 1} of {trial.perturbed}")
        curves = train_curves(trial, arrays, "reference", perturbation=number)
        spread.append(deviations(curves, road, trial.window))
    deviation = deviations(tested, road, trial.window)
    most = excess(deviation, spread)
    return {
        "trial": dataclasses.asdict(trial),
        "backend": backend,
        "excess": most,
        "perturbed_excess": [
            excess(run, spread[:place] + spread[place + 1 :]) for place, run in enumerate(spread)
        ],
        "slack": SLACK,
        "floor": FLOOR,
        "within": most <= SLACK,
        "deviations": deviation,
        "perturbed_deviations": spread,
        "losses": {"reference": road, backend: tested},
    }


def main(words: list[str]) -> int:
    """Compare, print the deviations window by window, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", default="cpp", help="under test (default: cpp)")
    for name in ("steps", "batch", "width", "blocks", "perturbed", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Trial, name))
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: 1)")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    given = vars(parser.parse_args(words))
    backend, threads, path = (given.pop(name) for name in ("backend", "threads", "json"))
    torch.set_num_threads(threads)
    started = time.gmtime()
    report = compare(Trial(**given), backend, lambda text: print(f"training: {text}", flush=True))
    header = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", started),
        "command": " ".join(["python benchmarks/equivalence.py", *words]),
        "commit": commit(ROOT),
        **environment(),
        "cpu": cpu_model(),
        "threads": threads,
    }
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"header": header, **report}) + "\n")
    print(_table(report))
    return 0 if report["within"] else 1


def _table(report: dict[str, Any]) -> str:
    lines = [f"{'loss':20}{'steps':>10}{report['backend']:>12}{'perturbed runs':>24}"]
    window = report["trial"]["window"]
    for name in LOSSES:
        for place, deviation in enumerate(report["deviations"][name]):
            others = [run[name][place] for run in report["perturbed_deviations"]]
            steps = f"{place * window}-{(place + 1) * window}"
            spread = f"{min(others):.1e} .. {max(others):.1e}"
            lines.append(f"{name:20}{steps:>10}{deviation:>12.1e}{spread:>24}")
    verdict = "within" if report["within"] else "outside"
    lines.append(
        f"{verdict} the spread: at most {report['excess']:.2f} times the largest perturbed "
        f"deviation, {SLACK:g} is allowed"
    )
    others = ", ".join(f"{one:.2f}" for one in sorted(report["perturbed_excess"]))
    lines.append(f"the perturbed runs, each against the others: {others}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
