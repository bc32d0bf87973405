"""The one home of settings: their defaults, ranges, help texts and presets. Imports no torch.

Every option of `train` is made from these dataclass fields, so a default exists once.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simgan.engine.config_checks import (
    check_fields,
    check_names,
    check_stopping,
    parse_composite,
    parse_device,
    parse_range,
    parse_size,
)
from simgan.engine.data_policy import DataPolicy, setting
from simgan.engine.errors import ConfigError
from simgan.engine.label_matching.request import parse_request
from simgan.engine.presets import PRESETS

__all__ = [
    "PRESETS",
    "DataPolicy",
    "TrainConfig",
    "check_names",
    "parse_composite",
    "parse_range",
    "parse_size",
    "preset_name",
    "preset_values",
    "setting",
    "to_dict",
    "to_json",
    "train_config",
    "with_policy",
]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides what a training run does: Algorithm 1 and the paper's networks.

    Losses are summed over patches and pixels and averaged over the images of a batch; `lambda_reg`
    is stated in that convention.

    Raises:
        ConfigError: a value is of the wrong type or outside its range.
    """

    preset: Literal["demo", "gaze", "hand"] = setting(
        "gaze", "Networks and schedule to start from.", group="Main"
    )
    synthetic: str | None = setting(
        None, "Labelled synthetic images (folder or file).", group="Main", metavar="PATH"
    )
    real: str | None = setting(None, "Unlabelled real images.", group="Main", metavar="PATH")
    out: str | None = setting(
        None,
        "Run folder to create (default: the next runs/NNNN-PRESET).",
        group="Main",
        metavar="RUN",
    )
    steps: int = setting(10_000, "T: steps of Algorithm 1.", group="Main", low=0, metavar="T")
    seed: int = setting(0, "Seed of every random generator.", group="Main", low=0, high=2**63 - 1)

    batch: int = setting(512, "b: images in a mini-batch.", group="Algorithm", low=2)
    k_g: int = setting(2, "K_g: refiner updates per step.", group="Algorithm", low=1)
    k_d: int = setting(1, "K_d: discriminator updates per step.", group="Algorithm", low=1)
    optimizer: Literal["adam", "sgd"] = setting(
        "adam", "Optimizer of both networks.", group="Algorithm"
    )
    lr: float = setting(1e-3, "Constant learning rate.", group="Algorithm", low=1e-12, high=10.0)
    lambda_reg: float = setting(
        0.3, "lambda: weight of the self-regularization.", group="Algorithm", low=0.0, high=1e9
    )
    match_labels: str | None = setting(
        None,
        "Draw synthetic images so that their labels are spread like the real ones: ranges "
        "(pitch and yaw in degrees), a file of weights, a labelled set, or estimate.",
        group="Algorithm",
        metavar="NAME=A..B,...|FILE|SET|estimate",
    )
    history: bool = setting(
        True, "Show the discriminator a history of refined images.", group="Algorithm"
    )
    history_capacity: int = setting(
        25_600, "B: refined images kept in the history.", group="Algorithm", low=1
    )
    adversarial: Literal["local", "global"] = setting(
        "local", "Realism loss per patch, or one for the whole image.", group="Algorithm"
    )
    feature_transform: str = setting(
        "identity",
        "psi: identity, derivative, mean-channel, or a .pt2 file of torch.export.",
        group="Algorithm",
        metavar="identity|derivative|mean-channel|FILE.pt2",
    )
    pretrain_refiner_steps: int = setting(
        1_000,
        "Refiner updates on self-regularization only, before step 1.",
        group="Algorithm",
        low=0,
    )
    pretrain_discriminator_steps: int = setting(
        200, "Discriminator updates before step 1.", group="Algorithm", low=0
    )

    width: int = setting(64, "Features of the refiner.", group="Networks", low=1, high=4096)
    blocks: int = setting(4, "Residual blocks of the refiner.", group="Networks", low=0, high=256)
    kernel: int = setting(3, "Filter size of the refiner (odd).", group="Networks", low=1, high=31)
    padding: Literal["zeros", "replicate"] = setting(
        "zeros",
        "Beyond the border the refiner sees zeros, or the nearest pixel (no border lines).",
        group="Networks",
    )
    discriminator: Literal["gaze", "hand"] = setting(
        "gaze", "Which of the paper's discriminators.", group="Networks"
    )
    output_activation: Literal["tanh", "none"] = setting(
        "tanh", "Last operation of the refiner.", group="Networks"
    )

    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N.", group="Performance", metavar="DEVICE"
    )
    amp: bool = setting(
        False,
        "Mixed precision: bf16, or fp16 with a loss scaler where bf16 is missing.",
        group="Performance",
    )
    channels_last: bool = setting(False, "NHWC memory format.", group="Performance")
    compile: bool = setting(False, "torch.compile both networks.", group="Performance")
    graphs: bool = setting(
        True,
        "On a GPU, replay whole steps from a CUDA graph; not with --compile, fp16, a .pt2 psi or "
        "images that do not fit.",
        group="Performance",
    )
    deterministic: bool = setting(
        False, "Bitwise repeatable: same machine, versions and thread count.", group="Performance"
    )
    backend: str | None = setting(
        None,
        "Backend of the fused operations: reference, cpp, triton, cuda, or OP=NAME,...",
        group="Performance",
        metavar="NAME",
    )

    log_every: int = setting(50, "Steps between lines of metrics.", group="Output", low=1)
    sample_every: int = setting(500, "Steps between sample grids.", group="Output", low=1)
    checkpoint_every: int = setting(500, "Steps between checkpoints.", group="Output", low=1)
    keep: int = setting(3, "Newest checkpoints to keep.", group="Output", low=1)
    tensorboard: bool = setting(
        True, "Write TensorBoard files when TensorBoard is installed.", group="Output"
    )

    stop_on: Literal["none", "kid", "classifier", "task"] = setting(
        "none",
        "Look at refined images and stop when they get no better: kernel distance to the real "
        "ones, accuracy of a fresh discriminator, or error of a gaze estimator.",
        group="Stopping",
    )
    stop_every: int = setting(500, "Steps between looks.", group="Stopping", low=1)
    patience: int = setting(
        5, "Looks in a row without a better figure that end the run.", group="Stopping", low=1
    )
    stop_start: int = setting(0, "Step from which on to look.", group="Stopping", low=0)
    stop_images: int = setting(
        1_000, "Images of each set that a look sees.", group="Stopping", low=50, high=100_000
    )
    stop_steps: int = setting(
        300, "Updates of the network of a look (classifier, task).", group="Stopping", low=1
    )
    stop_task_set: str | None = setting(
        None,
        "Labelled real images that validate the task; never those of a final test.",
        group="Stopping",
        metavar="PATH",
    )
    stop_label_unit: str = setting(
        "auto",
        "Unit of gaze labels, as --label-unit of evaluate; the sets are synthetic and validation.",
        group="Stopping",
        metavar="auto|UNIT|SET=UNIT,...",
    )

    data: DataPolicy = field(default_factory=DataPolicy)

    def __post_init__(self) -> None:
        check_fields(self)
        check_stopping(self)
        if self.batch % 2:
            raise ConfigError(
                f"batch must be even (half of it comes from the history), got {self.batch}"
            )
        if self.match_labels is not None:
            parse_request(self.match_labels)
        if self.kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd, got {self.kernel}")
        if self.history and self.history_capacity < self.batch // 2:
            raise ConfigError(
                f"history_capacity must be at least half a batch ({self.batch // 2}), "
                f"got {self.history_capacity}"
            )
        known = ("identity", "derivative", "mean-channel")
        if self.feature_transform not in known and not self.feature_transform.endswith(".pt2"):
            raise ConfigError(
                f"feature_transform must be one of {', '.join(known)} or a .pt2 file, "
                f"got {self.feature_transform!r}"
            )
        parse_device(self.device)


def train_config(values: Mapping[str, Any] | None = None) -> TrainConfig:
    """A TrainConfig from plain values: the preset they name, overridden by the rest.

    Without `preset`, it is `gaze` when data is given and `demo` (the embedded eyes) when not.

    Args:
        values: field names to values; `data` may be a mapping of DataPolicy fields.
    Raises:
        ConfigError: an unknown name (with the nearest known one) or a bad value.
    """
    values = dict(values or {})
    check_names(TrainConfig, values)
    merged = {**preset_values(values), **values}
    merged["preset"] = preset_name(values)
    return TrainConfig(**with_policy(merged))


def preset_name(values: Mapping[str, Any]) -> str:
    """The preset that some values name or imply."""
    name = values.get("preset")
    if name is None:
        has_data = values.get("synthetic") is not None or values.get("real") is not None
        return "gaze" if has_data else "demo"
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return str(name)


def preset_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the preset named or implied by `values` sets."""
    return dict(PRESETS[preset_name(values)])


def with_policy(values: dict[str, Any]) -> dict[str, Any]:
    """The same values with a DataPolicy made of `data`, where that is a mapping."""
    policy = values.get("data")
    if isinstance(policy, Mapping):
        check_names(DataPolicy, policy, prefix="data.")
        values["data"] = DataPolicy(**policy)
    return values


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values of a config, nested policy included; `train_config(to_dict(c)) == c`."""
    return dataclasses.asdict(config)


def to_json(config: Any) -> str:
    """Stable JSON text of a config, two-space indented, keys in field order."""
    return json.dumps(to_dict(config), indent=2) + "\n"
