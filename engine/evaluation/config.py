"""The settings of `evaluate`: their defaults, ranges and help texts. Imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from simgan.engine.config import DataPolicy, setting, with_policy
from simgan.engine.config_checks import check_fields, check_names, parse_device
from simgan.engine.errors import ConfigError
from simgan.engine.label_matching.request import parse_request

UNITS = ("radians", "degrees", "vector", "vector-y-down", "px")
ESTIMATOR_SIZE = "35x55"
# The paper's hourglasses keep 0.3 GB of float32 per image for the backward pass: 512 images would
# need 150 GB, 32 need 10. The paper gives neither number.
HAND_DEFAULTS = {"batch": 32, "steps": 10_000}
NAME = re.compile(r"[A-Za-z0-9][\w .+-]*")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Everything that decides what an evaluation does: sets, estimator, seeds, statistics.

    Raises:
        ConfigError: a value is of the wrong type or outside its range.
    """

    train: tuple[str, ...] = setting(
        (),
        "Labelled training set; repeat it to compare several with the first. Paths of one NAME are "
        "joined. FILE#KEY chooses an array of an .npz or HDF5 file.",
        group="Main",
        metavar="[NAME=]PATH",
    )
    test: str | None = setting(
        None, "Labelled set, usually real, that the errors are of.", group="Main", metavar="PATH"
    )
    validation: str | None = setting(
        None,
        "Labelled set that chooses the step, k and alpha (default: a part of each training set).",
        group="Main",
        metavar="PATH",
    )
    task: Literal["gaze", "hand"] = setting(
        "gaze", "What is estimated: gaze, or the 14 joints of hands.", group="Main"
    )
    seeds: int = setting(
        3, "Estimators trained on each set, with seeds SEED, SEED + 1, ...", group="Main", low=1
    )
    seed: int = setting(0, "First seed.", group="Main", low=0, high=2**62)

    size: Literal["paper", "small", "normalized"] = setting(
        "paper",
        "The paper's estimator, or one of a fraction of its arithmetic; for gaze also a small one "
        "with batch normalization, which depends less on tones.",
        group="Networks",
    )
    steps: int = setting(
        2_000, "Updates of each estimator (hands: 10,000).", group="Algorithm", low=1
    )
    batch: int = setting(512, "Images in a mini-batch (hands: 32).", group="Algorithm", low=1)
    lr: float = setting(1e-3, "Learning rate (Adam).", group="Algorithm", low=1e-12, high=1)
    schedule: Literal["constant", "cosine"] = setting(
        "constant",
        "Learning rate over the steps: as it is, or down to 0 along half a cosine.",
        group="Algorithm",
    )
    shift: int = setting(
        0,
        "Move every training image by up to N px each way, anew at each step; not in the paper.",
        group="Algorithm",
        low=0,
        high=17,
    )
    rotate: float | None = setting(
        None,
        "Rotate every training image by up to N degrees each way; hands only (default: 20, the "
        "paper's).",
        group="Algorithm",
        low=0.0,
        high=180.0,
    )
    crop: float | None = setting(
        None,
        "Cut up to this share of the side off every training image; hands only (default: 0.1).",
        group="Algorithm",
        low=0.0,
        high=0.5,
    )
    jitter: float = setting(
        0.0,
        "Strength of random gamma, blur and noise of training images; not in the paper.",
        group="Algorithm",
        low=0.0,
        high=1.0,
    )
    validate_every: int = setting(
        100, "Steps between looks at the validation set; the best step is kept.",
        group="Algorithm", low=1,
    )  # fmt: skip
    validation_share: float = setting(
        0.1,
        "Part of a training set that validates: other people where persons are known, else images.",
        group="Algorithm",
        low=0.01,
        high=0.5,
    )
    match_labels: str | None = setting(
        None,
        "Train every arm on images of the same labels: ranges of gaze in degrees, as "
        "pitch=A..B,yaw=A..B, or the label-match.npz of the run that refined.",
        group="Algorithm",
        metavar="NAME=A..B,...|FILE",
    )
    baselines: bool = setting(
        True, "Also k nearest neighbours and ridge regression on pixels.", group="Algorithm"
    )

    resamples: int = setting(2_000, "Bootstrap samples.", group="Output", low=100, high=1_000_000)
    confidence: float = setting(
        0.95, "Coverage of the intervals.", group="Output", low=0.5, high=0.999
    )
    out: str | None = setting(
        None, "Folder for evaluation.json, errors.npz and curves.png.", group="Output",
        metavar="DIR",
    )  # fmt: skip

    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N.", group="Performance", metavar="DEVICE"
    )
    amp: bool = setting(False, "bf16 (or fp16) arithmetic.", group="Performance")
    channels_last: bool = setting(False, "NHWC memory format.", group="Performance")
    deterministic: bool = setting(False, "Bitwise repeatable on this machine.", group="Performance")

    standardize: Literal["image", "equalize", "none"] = setting(
        "image",
        "Pixels of every image to mean 0 and deviation 1, their histogram equalized, or as they "
        "are in [-1, 1].",
        group="Data",
    )
    label: str | None = setting(
        None,
        "The labels, where their name does not say it: one array, or for gaze columns as "
        "PITCH,YAW or X,Y,Z.",
        group="Data",
        metavar="NAME[,NAME...]",
    )
    label_unit: str = setting(
        "auto",
        "radians or degrees (pitch up, yaw to image right), vector (x right, y up, z < 0 to the "
        "camera) or vector-y-down; px for joints; SET=UNIT,... for each set. auto takes what can "
        "only be one.",
        group="Data",
        metavar="auto|UNIT|SET=UNIT,...",
    )
    data: DataPolicy = field(default_factory=DataPolicy)

    def __post_init__(self) -> None:
        check_fields(self)
        parse_device(self.device)
        parse_label_unit(self.label_unit)
        training_sets(self.train)
        if self.match_labels is not None and (
            parse_request(self.match_labels).kind not in ("ranges", "weights")
        ):
            raise ConfigError(
                "match_labels of an evaluation must be ranges or a file of weights, got "
                f"{self.match_labels!r}",
                fix="The run that refined has the weights: RUN/label-match.npz.",
            )
        if self.task == "gaze":
            self._check_gaze()
        elif self.shift or self.jitter:
            raise ConfigError("shift and jitter are for gaze; hands have rotate and crop")
        elif self.size == "normalized" or self.standardize == "equalize":
            raise ConfigError("size normalized and standardize equalize are for gaze")
        if self.data.channels == "rgb":
            raise ConfigError(
                f"data.channels must be keep or gray: the {self.task} estimator takes gray"
            )

    def _check_gaze(self) -> None:
        if self.rotate is not None or self.crop is not None:
            raise ConfigError("rotate and crop are for hands; gaze has shift and jitter")
        if self.data.size not in (None, ESTIMATOR_SIZE):
            raise ConfigError(
                f"data.size must be {ESTIMATOR_SIZE} or not set: the gaze estimator takes images "
                f"of that size, got {self.data.size}"
            )


class TrainingSet(NamedTuple):
    """A training set as the user named it; several paths are joined to one set."""

    name: str
    paths: tuple[str, ...]


def evaluate_config(values: Mapping[str, Any] | None = None) -> EvaluateConfig:
    """An EvaluateConfig from plain values; `data` may be a mapping, `train` a text or a list.

    Without `batch` and `steps`, hands have HAND_DEFAULTS.

    Raises:
        ConfigError: an unknown name (with the nearest known one) or a bad value.
    """
    values = dict(values or {})
    check_names(EvaluateConfig, values)
    if values.get("task") == "hand":
        values = {**HAND_DEFAULTS, **values}
    train = values.get("train")
    if isinstance(train, str):
        values["train"] = (train,)
    elif isinstance(train, list):
        values["train"] = tuple(train)
    return EvaluateConfig(**with_policy(values))


def training_sets(texts: tuple[str, ...]) -> list[TrainingSet]:
    """Names and paths of `--train`: NAME=PATH, or PATH, whose name then comes from it.

    Paths that are given one NAME make one set together.

    Raises:
        ConfigError: two sets would have one name without being given it.
    """
    sets: dict[str, TrainingSet] = {}
    unnamed: set[str] = set()
    for text in texts:
        name, path = _parted(text)
        if name is None:
            name = default_name(path)
            unnamed.add(name)
        before = sets.get(name, TrainingSet(name, ()))
        if before.paths and name in unnamed:
            raise ConfigError(
                f"train: {before.paths[0]} and {path} are both called {name!r}",
                fix="Name them: --train NAME=PATH.",
            )
        sets[name] = TrainingSet(name, (*before.paths, path))
    return list(sets.values())


def _parted(text: str) -> tuple[str | None, str]:
    """NAME and PATH; a text that is an existing path, or no NAME, is all PATH."""
    name, equals, path = text.partition("=")
    if equals and path and NAME.fullmatch(name) and not Path(text).exists():
        return name, path
    return None, text


def default_name(path: str) -> str:
    """`a/eyes.npz#synthetic_x` -> `synthetic`; `a/refined` -> `refined`; `a/b.npz` -> `b`."""
    if path.startswith("procedural:"):
        return path.removeprefix("procedural:").partition("?")[0]
    file, _, key = path.rpartition("#")
    if file:
        return key.removesuffix("_x")
    place = Path(path).resolve()
    return place.name if place.is_dir() else place.stem


def parse_label_unit(text: str) -> dict[str, str]:
    """'degrees' -> {"": "degrees"}; 'test=degrees,a=vector' -> as it says; 'auto' -> {}.

    Raises:
        ConfigError: a unit is not one of UNITS.
    """
    units: dict[str, str] = {}
    for part in text.split(","):
        name, equals, unit = part.strip().rpartition("=")
        if unit not in (*UNITS, "auto") or (equals and not name):
            raise ConfigError(
                f"label_unit must be auto, {', '.join(UNITS)} or SET=UNIT,..., got {text!r}"
            )
        if unit != "auto":
            units[name] = unit
    return units
