"""Arms and runs of an ablation: what each one changes about the base, and when it is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simgan.engine.config import TrainConfig
from simgan.engine.evaluation.ablation.config import (
    AblateConfig,
    base_values,
    parse_arms,
    parse_lambdas,
)

BASE = "base"
K_GS = (2, 50)
PSIS = ("identity", "derivative", "mean-channel")
PARTS = 4  # 1x is one part of the synthetic set, 4x all of it
SEED_STRIDE = 1_000  # between the estimator seeds of two refiner seeds; more are not allowed


@dataclass(frozen=True)
class Arm:
    """A variant of the base.

    Attributes:
        name: for files and `--json`: `lambda-3`.
        ablation: one of ABLATIONS, or `base`.
        label: for people: `lambda 3`.
        changes: settings of training that differ from the base.
        parts: 1 where all of the synthetic set is used, else it is one of that many.
    """

    name: str
    ablation: str
    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    parts: int = 1


@dataclass(frozen=True)
class Run:
    """One refiner of an arm.

    Attributes:
        arm: whose.
        index: 0 to seeds - 1.
        seed: of the refiner.
        looks: steps at which its task error is measured, ascending; the last one is its end.
        updates: refiner updates of Algorithm 1 at each look.
        work: updates of both networks before each look since the one before, for estimates.
    """

    arm: Arm
    index: int
    seed: int
    looks: tuple[int, ...]
    updates: tuple[int, ...]
    work: tuple[int, ...]

    @property
    def name(self) -> str:
        """For files: `lambda-3-seed0`."""
        return f"{self.arm.name}-seed{self.seed}"

    @property
    def title(self) -> str:
        """For people: `lambda 3, seed 0`."""
        return f"{self.arm.label}, seed {self.seed}"

    def estimator_seeds(self, config: AblateConfig) -> list[int]:
        """Seeds of its estimators: other ones for each refiner seed, the same in each arm."""
        return estimator_seeds(config, self.index)


@dataclass(frozen=True)
class Plan:
    """All runs of an ablation, seed by seed, the base first.

    Attributes:
        arms: the base first, then in the order of ABLATIONS.
        runs: of all arms.
        notes: what was left out or does not come out even.
    """

    arms: list[Arm]
    runs: list[Run]
    notes: list[str]

    def of(self, arm: Arm) -> list[Run]:
        """The runs of one arm, by seed."""
        return [run for run in self.runs if run.arm == arm]


def make_plan(config: AblateConfig, channels: int) -> Plan:
    """Arms and runs; an arm that would equal the base is the base.

    Args:
        config: of the ablation.
        channels: of the training images, 1 or 3.
    """
    notes: list[str] = []
    arms = [Arm(BASE, BASE, BASE)]
    for name in parse_arms(config.arms):
        arms += _variants(name, config, channels, notes)
    schedules = {arm.name: _schedule(arm, config, notes) for arm in arms}
    runs = [
        Run(arm, index, config.seed + index, *schedules[arm.name])
        for index in range(config.seeds)
        for arm in arms
    ]
    return Plan(arms, runs, notes)


def _variants(name: str, config: AblateConfig, channels: int, notes: list[str]) -> list[Arm]:
    if name == "history":
        label = "no history" if config.history else "history"
        return [Arm(label.replace(" ", "-"), name, label, {"history": not config.history})]
    if name == "adversarial":
        other = "global" if config.adversarial == "local" else "local"
        return [Arm(other, name, f"{other} adversarial loss", {"adversarial": other})]
    if name == "lambda":
        values = (v for v in parse_lambdas(config.lambdas) if v != config.lambda_reg)
        return [Arm(f"lambda-{v:g}", name, f"lambda {v:g}", {"lambda_reg": v}) for v in values]
    if name == "psi":
        return _psis(config, channels, notes)
    if name == "k-g":
        values_k = (k for k in K_GS if k != config.k_g)
        return [Arm(f"k_g-{k}", name, f"K_g {k}", {"k_g": k}) for k in values_k]
    return [Arm("data-1x", name, "data 1x", parts=PARTS)]


def _psis(config: AblateConfig, channels: int, notes: list[str]) -> list[Arm]:
    left_out = {config.feature_transform}
    if channels == 1:
        left_out |= {"mean-channel", "identity"} if "mean-channel" in left_out else {"mean-channel"}
        notes.append("psi mean-channel is left out: on gray images it is the identity")
    chosen = [psi for psi in PSIS if psi not in left_out]
    return [Arm(f"psi-{psi}", "psi", f"psi {psi}", {"feature_transform": psi}) for psi in chosen]


def _schedule(
    arm: Arm, config: AblateConfig, notes: list[str]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Looks, refiner updates at them, and the work before each."""
    k_g = int(arm.changes.get("k_g", config.k_g))
    steps = config.steps
    if config.equal == "updates" and k_g != config.k_g:
        steps = max(1, round(config.steps * config.k_g / k_g))
        notes.append(
            f"{arm.label}: {steps:,} {'step' if steps == 1 else 'steps'} of {k_g} refiner updates, "
            f"the base {config.steps:,} of {config.k_g}"
        )
    looks = look_steps(steps, config.looks)
    stretches = [after - before for before, after in zip((0, *looks), looks, strict=False)]
    work = [stretch * (k_g + config.k_d) for stretch in stretches]
    work[0] += config.pretrain_refiner_steps + config.pretrain_discriminator_steps
    return looks, tuple(step * k_g for step in looks), tuple(work)


def look_steps(steps: int, looks: int) -> tuple[int, ...]:
    """`looks` steps evenly over `steps`, the last one included; fewer where there are fewer steps.

    >>> look_steps(10, 4)
    (2, 5, 8, 10)
    """
    return tuple(sorted({max(1, round(k * steps / looks)) for k in range(1, looks + 1)}))


def estimator_seeds(config: AblateConfig, index: int) -> list[int]:
    """Seeds of the estimators that belong to refiner seed number `index`."""
    first = config.seed + SEED_STRIDE * index
    return list(range(first, first + config.estimator_seeds))


def run_config(run: Run, config: AblateConfig, out: Path, synthetic: str) -> TrainConfig:
    """The training settings of a run up to its first look.

    Args:
        run: of the plan.
        config: of the ablation, its data paths absolute.
        out: folder of the run.
        synthetic: its synthetic images.
    """
    values = base_values(config) | dict(run.arm.changes)
    values |= {
        "seed": run.seed,
        "steps": run.looks[0],
        "out": str(out),
        "synthetic": synthetic,
    }
    return TrainConfig(**values)
