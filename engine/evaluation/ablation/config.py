"""The settings of `ablate`: those of `train` as the base, and what is varied and measured.

Imports no torch.
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simgan.engine.config import (
    TrainConfig,
    preset_name,
    preset_values,
    setting,
    with_policy,
)
from simgan.engine.config_checks import check_names
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.config import EvaluateConfig, parse_label_unit
from simgan.engine.label_matching.request import parse_request

ABLATIONS = ("history", "adversarial", "lambda", "psi", "k-g", "data")
TEST_EYES = "procedural:camera?count=500&seed=1"  # no eye of the embedded training sets
# Without data: a look at everything in minutes on two cores, not a finding.
QUICK: dict[str, Any] = {
    "steps": 100,
    "batch": 8,
    "width": 8,
    "blocks": 2,
    "history_capacity": 160,
    "pretrain_refiner_steps": 30,
    "pretrain_discriminator_steps": 10,
    "log_every": 25,
    "sample_every": 100,
    "checkpoint_every": 100,
    "tensorboard": False,
    "seeds": 2,
    "looks": 2,
    "estimator_size": "small",
    "estimator_steps": 150,
    "estimator_batch": 16,
    "sample": 500,
}


@dataclass(frozen=True, kw_only=True)
class AblateConfig(TrainConfig):
    """A base training run, and how it is varied, repeated and measured.

    Raises:
        ConfigError: a value is of the wrong type or outside its range.
    """

    out: str | None = setting(
        "ablation",
        "Folder of the ablation: runs, records and results. The same command continues it.",
        group="Main",
        metavar="DIR",
    )
    seed: int = setting(
        0,
        "First seed of the refiner; the others follow it.",
        group="Main",
        low=0,
        high=2**62,
    )
    test: str | None = setting(
        None,
        "Labelled set, usually real, that the errors are of.",
        group="Main",
        metavar="PATH",
    )
    arms: str = setting(
        ",".join(ABLATIONS),
        "What is varied, one at a time.",
        group="Main",
        metavar="NAME,...",
    )
    lambdas: str = setting(
        "0.03,0.3,3", "Values of lambda_reg that the arm lambda takes.", group="Main",
        metavar="X,...",
    )  # fmt: skip
    seeds: int = setting(
        3, "Refiners trained per arm, with seeds SEED, SEED + 1, ...", group="Main", low=1, high=100
    )
    looks: int = setting(
        4,
        "Times that the task error is measured in each run, evenly over its steps.",
        group="Main",
        low=1,
        high=1000,
    )
    equal: Literal["updates", "steps"] = setting(
        "updates",
        "What runs of another K_g share with the base: refiner updates (so the steps are divided), "
        "or steps.",
        group="Main",
    )
    sample: int | None = setting(
        None,
        "Synthetic images that are refined for the estimator, evenly spread (default: all).",
        group="Main",
        low=20,
        metavar="N",
    )
    estimator_size: Literal["paper", "small", "normalized"] = setting(
        "paper", "The estimator, as in `evaluate`.", group="Networks"
    )
    estimator_steps: int = setting(
        2_000, "Updates of each estimator.", group="Algorithm", low=1, high=10_000_000
    )
    estimator_batch: int = setting(
        512, "Images in a mini-batch of the estimator.", group="Algorithm", low=1
    )
    estimator_lr: float = setting(
        1e-3, "Learning rate of the estimator (Adam).", group="Algorithm", low=1e-12, high=1.0
    )
    estimator_seeds: int = setting(
        1, "Estimators trained at each look; their mean counts.", group="Algorithm", low=1, high=100
    )
    keep: int = setting(1, "Newest checkpoints to keep of each run.", group="Output", low=1)
    confidence: float = setting(
        0.95, "Coverage of the intervals.", group="Output", low=0.5, high=0.999
    )
    label: str | None = setting(
        None, "The gaze labels, as in `evaluate`.", group="Data", metavar="NAME[,NAME...]"
    )
    label_unit: str = setting(
        "auto",
        "Their unit, as in `evaluate`; the sets are called synthetic and test.",
        group="Data",
        metavar="auto|UNIT|SET=UNIT,...",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_arms(self.arms)
        parse_lambdas(self.lambdas)
        parse_label_unit(self.label_unit)
        if self.stop_on != "none":
            raise ConfigError(
                "stop_on cannot go with an ablation: its arms train equally long, "
                f"got {self.stop_on!r}"
            )
        if self.steps < self.looks:
            raise ConfigError(
                f"steps must be at least looks ({self.looks}) to look that often, got {self.steps}"
            )


def ablate_config(values: Mapping[str, Any] | None = None) -> AblateConfig:
    """An AblateConfig from plain values: what they imply, overridden by what they say.

    Raises:
        ConfigError: an unknown name (with the nearest known one) or a bad value.
    """
    values = dict(values or {})
    check_names(AblateConfig, values)
    merged = {**implied_values(values), **values}
    merged["preset"] = preset_name(values)
    return AblateConfig(**with_policy(merged))


def implied_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the preset sets and, where neither data nor a preset is named, the quick look."""
    without_data = all(values.get(name) is None for name in ("preset", "synthetic", "real"))
    return {**preset_values(values), **(QUICK if without_data else {})}


def base_values(config: AblateConfig) -> dict[str, Any]:
    """The settings of the base run, by the names of TrainConfig's fields."""
    return {item.name: getattr(config, item.name) for item in dataclasses.fields(TrainConfig)}


def estimator_config(config: AblateConfig, seed: int = 0) -> EvaluateConfig:
    """The settings of one estimator."""
    return EvaluateConfig(
        match_labels=config.match_labels if estimators_match(config) else None,
        size=config.estimator_size,
        steps=config.estimator_steps,
        batch=config.estimator_batch,
        lr=config.estimator_lr,
        seeds=1,
        seed=seed,
        baselines=False,
        device=config.device,
        amp=config.amp,
        channels_last=config.channels_last,
        deterministic=config.deterministic,
        label=config.label,
        label_unit=config.label_unit,
    )


def estimators_match(config: AblateConfig) -> bool:
    """Whether estimators are trained on the labels that refiners are: ranges are for both."""
    asked = config.match_labels
    return asked is not None and parse_request(asked).kind == "ranges"


def parse_arms(text: str) -> tuple[str, ...]:
    """'history, k-g' -> ('history', 'k-g'), in the order of ABLATIONS.

    Raises:
        ConfigError: a name is unknown, with the nearest known one, or there is none.
    """
    names = [part.strip().replace("_", "-") for part in text.split(",") if part.strip()]
    for name in names:
        if name not in ABLATIONS:
            near = difflib.get_close_matches(name, ABLATIONS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(f"arms must be of {', '.join(ABLATIONS)}, got {name!r}.{hint}")
    if not names:
        raise ConfigError(f"arms must be of {', '.join(ABLATIONS)}, got {text!r}")
    return tuple(name for name in ABLATIONS if name in names)


def parse_lambdas(text: str) -> tuple[float, ...]:
    """'0.03, 3' -> (0.03, 3.0), ascending, each once.

    Raises:
        ConfigError: one is no number, or negative.
    """
    found = set()
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise ConfigError(f"lambdas must be numbers of at least 0, got {part.strip()!r}")
        found.add(value)
    return tuple(sorted(found))
