"""The settings of `check-labels`: their defaults, ranges and help texts. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simgan.engine.config import DataPolicy, setting, with_policy
from simgan.engine.config_checks import check_fields, check_names, parse_device
from simgan.engine.errors import ConfigError

MEASURES = ("pupil", "points", "edges", "flow", "estimator")


@dataclass(frozen=True, kw_only=True)
class CheckLabelsConfig:
    """Which images are compared, in which ways, and what would be too much.

    Raises:
        ConfigError: a value is of the wrong type or outside its range.
    """

    run: str | None = setting(
        None,
        "Run whose synthetic set is compared with RUN/refined; refined on the fly where that is "
        "missing (default: the latest run).",
        group="Main",
        metavar="RUN",
    )
    synthetic: str | None = setting(
        None, "Synthetic set, instead of a run's; with --refined.", group="Main", metavar="PATH"
    )
    refined: str | None = setting(
        None, "The same images refined; with --synthetic.", group="Main", metavar="PATH"
    )
    sample: int = setting(1_000, "Pairs compared, drawn at random.", group="Main", low=10)
    measure: tuple[str, ...] = setting(
        (),
        f"Only this measure: {', '.join(MEASURES)}; repeat it for several (default: all that the "
        "set allows).",
        group="Main",
        metavar="NAME",
    )
    max_shift: float | None = setting(
        None,
        "Exit with 9 when the median shift of the pupil's centre is above this, px.",
        group="Main",
        low=0.0,
        metavar="PX",
    )
    max_error_change: float | None = setting(
        None,
        "Exit with 9 when refining raises the estimator's mean error by more, degrees.",
        group="Main",
        low=0.0,
        metavar="DEG",
    )
    seed: int = setting(
        0, "Seed of sample, estimator and bootstrap.", group="Main", low=0, high=2**62
    )

    width: int = setting(
        55,
        "Images are compared at this width, px, and shifts are stated in its pixels (the paper's "
        "eyes: 55).",
        group="Algorithm",
        low=23,
        high=2048,
    )
    points: str | None = setting(
        None,
        "Label with points, (x, y) px, whose surroundings are compared; 'grid' for a grid "
        "(default: the known ones, else a grid).",
        group="Algorithm",
        metavar="NAME",
    )

    estimator_size: Literal["paper", "small"] = setting(
        "small",
        "Gaze estimator that is trained on synthetic images.",
        group="Algorithm",
    )
    estimator_steps: int = setting(600, "Updates of the estimator.", group="Algorithm", low=1)
    estimator_batch: int = setting(64, "Images in its mini-batch.", group="Algorithm", low=1)
    estimator_seeds: int = setting(1, "Estimators trained.", group="Algorithm", low=1)

    resamples: int = setting(2_000, "Bootstrap samples.", group="Output", low=100, high=1_000_000)
    confidence: float = setting(
        0.95, "Coverage of the intervals.", group="Output", low=0.5, high=0.999
    )
    out: str | None = setting(
        None, "Folder for check.json, shifts.npz and worst.png.", group="Output", metavar="DIR"
    )

    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N.", group="Performance", metavar="DEVICE"
    )

    label: str | None = setting(
        None,
        "The gaze labels, where their name does not say it: one array, or columns as "
        "PITCH,YAW or X,Y,Z.",
        group="Data",
        metavar="NAME[,NAME...]",
    )
    label_unit: Literal["auto", "radians", "degrees", "vector", "vector-y-down"] = setting(
        "auto", "Unit of the gaze labels; auto takes what can only be one.", group="Data"
    )
    data: DataPolicy = field(default_factory=DataPolicy)

    def __post_init__(self) -> None:
        check_fields(self)
        parse_device(self.device)
        for name in self.measure:
            if name not in MEASURES:
                raise ConfigError(f"measure must be one of {', '.join(MEASURES)}, got {name!r}")
        if (self.synthetic is None) != (self.refined is None):
            given = "refined" if self.synthetic is None else "synthetic"
            raise ConfigError(
                f"--{given} is given alone; a pair of sets is compared",
                fix="Give --synthetic and --refined, or --run.",
            )
        if self.run is not None and self.synthetic is not None:
            raise ConfigError("--run and --synthetic exclude each other, got both")
        self._refuse_unmeasured_limit("max_shift", "pupil")
        self._refuse_unmeasured_limit("max_error_change", "estimator")

    def _refuse_unmeasured_limit(self, limit: str, measure: str) -> None:
        if getattr(self, limit) is not None and not self.wants(measure):
            raise ConfigError(f"{limit} is a limit of the measure {measure}, which is left out")

    def wants(self, measure: str) -> bool:
        """Whether a measure is to be taken."""
        return not self.measure or measure in self.measure

    def needs(self, measure: str) -> bool:
        """Whether a measure was asked for, so that leaving it out is an error."""
        limits = {"pupil": self.max_shift, "estimator": self.max_error_change}
        return measure in self.measure or limits.get(measure) is not None


def check_labels_config(values: Mapping[str, Any] | None = None) -> CheckLabelsConfig:
    """A CheckLabelsConfig from plain values; `data` may be a mapping, `measure` a text or a list.

    Raises:
        ConfigError: an unknown name (with the nearest known one) or a bad value.
    """
    values = dict(values or {})
    check_names(CheckLabelsConfig, values)
    measure = values.get("measure")
    if isinstance(measure, str):
        values["measure"] = (measure,)
    elif isinstance(measure, list):
        values["measure"] = tuple(measure)
    return CheckLabelsConfig(**with_policy(values))
