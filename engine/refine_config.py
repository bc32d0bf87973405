"""The settings of `refine`: their defaults, ranges and help texts. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simgan.engine.config import DataPolicy, setting, with_policy
from simgan.engine.config_checks import check_fields, check_names, parse_device
from simgan.engine.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RefineConfig:
    """What `refine` reads, which weights it uses and what it writes.

    Raises:
        ConfigError: a value is of the wrong type or outside its range.
    """

    run: str | None = setting(
        None,
        "Run folder whose weights are used (default: the latest run).",
        group="Main",
        metavar="RUN",
    )
    checkpoint: str | None = setting(
        None,
        "Which checkpoint of the run, or a folder of its own (default: the best where the run has "
        "a rule to stop, else the newest).",
        group="Main",
        metavar="best|newest|DIR",
    )
    input: str | None = setting(
        None,
        "Images to refine (default: the run's own synthetic set).",
        group="Main",
        metavar="PATH",
    )
    output: str | None = setting(
        None, "Folder or file to write (default: RUN/refined).", group="Main", metavar="PATH"
    )
    format: Literal["same", "png", "npz", "npy", "hdf5"] = setting(
        "same", "Container and encoding of the output.", group="Main"
    )
    batch: int = setting(
        256, "Images refined at once; split when memory is short.", group="Performance", low=1
    )
    tile: int | None = setting(
        None,
        "Refine larger images in tiles of about N x N pixels.",
        group="Performance",
        low=32,
        metavar="N",
    )
    workers: int = setting(
        0,
        "Threads that decode and encode (0: one per core).",
        group="Performance",
        low=0,
        high=1024,
    )
    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N.", group="Performance", metavar="DEVICE"
    )
    amp: bool = setting(False, "bf16 (or fp16) arithmetic.", group="Performance")
    channels_last: bool = setting(False, "NHWC memory format.", group="Performance")
    compile: bool = setting(False, "torch.compile the refiner.", group="Performance")
    deterministic: bool = setting(False, "Bitwise repeatable on this machine.", group="Performance")
    backend: str | None = setting(
        None,
        "Backend of the fused operations: reference, cpp, triton, cuda, or OP=NAME,...",
        group="Performance",
        metavar="NAME",
    )
    data: DataPolicy = field(default_factory=DataPolicy)

    def __post_init__(self) -> None:
        check_fields(self)
        parse_device(self.device)
        if self.run is not None and self.checkpoint not in (None, "best", "newest"):
            raise ConfigError("--run and --checkpoint DIR exclude each other, got both")


def refine_config(values: Mapping[str, Any] | None = None) -> RefineConfig:
    """A RefineConfig from plain values; see `train_config`."""
    values = dict(values or {})
    check_names(RefineConfig, values)
    return RefineConfig(**with_policy(values))
