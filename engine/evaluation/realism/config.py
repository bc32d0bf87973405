"""The settings of `check-realism`: their defaults, ranges and help texts. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simgan.engine.config import DataPolicy, setting, with_policy
from simgan.engine.config_checks import check_fields, check_names, parse_device
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.config import parse_label_unit


@dataclass(frozen=True, kw_only=True)
class RealismConfig:
    """Which sets are compared and how.

    Raises:
        ConfigError: a value is of the wrong type or outside its range, or sets are missing.
    """

    refined: str | None = setting(None, "Refined images.", group="Main", metavar="PATH")
    real: str | None = setting(None, "Real images.", group="Main", metavar="PATH")
    synthetic: str | None = setting(
        None,
        "The images before refinement, compared with the real ones for company.",
        group="Main",
        metavar="PATH",
    )
    run: str | None = setting(
        None,
        "A run: its own sets, refined by its best or newest checkpoint, instead of the above.",
        group="Main",
        metavar="RUN",
    )
    checkpoint: str | None = setting(
        None, "Which checkpoint of the run.", group="Main", metavar="best|newest"
    )
    images: int = setting(
        2_000, "Images of each set that are compared.", group="Main", low=50, high=50_000
    )
    seed: int = setting(0, "Seed of the samples and the first test.", group="Main", low=0,
                        high=2**62)  # fmt: skip

    features: str = setting(
        "random",
        "Features of the kernel distance: fixed random filters, a gaze estimator trained on the "
        "labelled synthetic set, or a network of torch.export (such a file can run code).",
        group="Algorithm",
        metavar="random|estimator|FILE.pt2",
    )
    estimator_steps: int = setting(
        1_000, "Updates of the estimator of --features estimator.", group="Algorithm", low=1
    )
    permutations: int = setting(
        500, "Random relabellings of the kernel test.", group="Algorithm", low=0, high=100_000
    )
    seeds: int = setting(
        3, "Fresh discriminators of the classifier test.", group="Algorithm", low=1
    )
    steps: int = setting(300, "Updates of each.", group="Algorithm", low=1)
    batch: int = setting(32, "Images of each set in an update.", group="Algorithm", low=1)
    lr: float = setting(
        1e-3, "Constant learning rate (Adam).", group="Algorithm", low=1e-12, high=1
    )
    discriminator: Literal["auto", "gaze", "hand"] = setting(
        "auto", "Its layers; auto: those of the run, else gaze.", group="Networks"
    )

    confidence: float = setting(
        0.95, "Coverage of the intervals.", group="Output", low=0.5, high=0.999
    )
    out: str | None = setting(
        None, "Folder for realism.json and realism.png.", group="Output", metavar="DIR"
    )
    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N.", group="Performance", metavar="DEVICE"
    )
    deterministic: bool = setting(False, "Bitwise repeatable on this machine.", group="Performance")
    label: str | None = setting(
        None, "As of evaluate, for --features estimator.", group="Data", metavar="NAME[,NAME...]"
    )
    label_unit: str = setting(
        "auto", "As of evaluate, for --features estimator.", group="Data", metavar="auto|UNIT"
    )
    data: DataPolicy = field(default_factory=DataPolicy)

    def __post_init__(self) -> None:
        check_fields(self)
        parse_device(self.device)
        parse_label_unit(self.label_unit)
        if self.features not in ("random", "estimator") and not self.features.endswith(".pt2"):
            raise ConfigError(
                f"features must be random, estimator or a .pt2 file, got {self.features!r}"
            )
        if self.checkpoint not in (None, "best", "newest"):
            raise ConfigError(f"checkpoint must be best or newest, got {self.checkpoint!r}")

    def check_sets(self) -> None:
        """Refuse sets that are missing or in the way of a run."""
        named = {n: getattr(self, n) for n in ("refined", "real", "synthetic")}
        given = [name for name, path in named.items() if path is not None]
        if self.run is not None:
            if given:
                raise ConfigError(f"--run brings its own sets; --{given[0]} cannot go with it")
            return
        missing = [name for name in ("refined", "real") if name not in given]
        if missing:
            raise ConfigError(
                f"--{missing[0]} is missing: refined images are compared with real ones",
                fix="Give --refined PATH --real PATH, or --run RUN.",
            )
        if self.checkpoint is not None:
            raise ConfigError("--checkpoint is of a run; give --run, too")
        if self.features == "estimator" and self.synthetic is None:
            raise ConfigError(
                "--features estimator needs --synthetic, the labelled images to train it on"
            )


def realism_config(values: Mapping[str, Any] | None = None) -> RealismConfig:
    """A RealismConfig from plain values; `data` may be a mapping.

    Raises:
        ConfigError: an unknown name (with the nearest known one) or a bad value.
    """
    values = dict(values or {})
    check_names(RealismConfig, values)
    return RealismConfig(**with_policy(values))
