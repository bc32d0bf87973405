"""The settings of `turing`: their defaults, ranges and help texts. Imports no torch."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from simgan.engine.config import DataPolicy, setting, with_policy
from simgan.engine.config_checks import check_fields, check_names
from simgan.engine.errors import ConfigError

LONGEST_NAME = 40  # characters
MOST_RATERS = 1000


@dataclass(frozen=True, kw_only=True)
class TuringConfig:
    """What raters are shown, how often, and where their answers go.

    Raises:
        ConfigError: a value is of the wrong type or outside its range.
    """

    refined: str | None = setting(
        None, "Refined images (default: RUN/refined).", group="Main", metavar="PATH"
    )
    real: str | None = setting(
        None, "Real images (default: those of RUN).", group="Main", metavar="PATH"
    )
    synthetic: str | None = setting(
        None,
        "Raw synthetic images: a second part of the test, against other real images.",
        group="Main",
        metavar="PATH",
    )
    run: str | None = setting(
        None, "Run whose refined and real images are shown.", group="Main", metavar="RUN"
    )
    images: int = setting(
        100, "Images that each rater judges, half of them real.", group="Main", low=2, high=10_000
    )
    control: int = setting(
        20,
        "Images of the part with --synthetic, half of them real.",
        group="Main",
        low=2,
        high=10_000,
    )
    practice: int = setting(
        6, "Images with feedback before the test; 0 for none.", group="Main", low=0, high=100
    )
    raters: str = setting(
        "1",
        "How many people take part, or their names; then nobody else can. Results with pictures "
        "are shown when all have finished.",
        group="Main",
        metavar="N|NAME,NAME,...",
    )
    scaling: Literal["smooth", "nearest"] = setting(
        "smooth", "How small images are enlarged: interpolated, or in squares.", group="Main"
    )
    seed: int = setting(
        0, "Seed of the choice and the orders of images.", group="Main", low=0, high=2**62
    )
    out: str | None = setting(
        None,
        "Folder of the test and its answers (default: RUN/turing, else turing); one that holds a "
        "test goes on with it.",
        group="Output",
        metavar="DIR",
    )
    port: int = setting(
        0, "Port on this machine (0: a free one).", group="Output", low=0, high=65535
    )
    browser: bool = setting(True, "Open the page in a browser.", group="Output")
    data: DataPolicy = field(default_factory=DataPolicy)

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("images", "control", "practice"):
            if getattr(self, name) % 2:
                raise ConfigError(
                    f"{name} must be even, half of them real, got {getattr(self, name)}"
                )
        parse_raters(self.raters)


class Raters(NamedTuple):
    """Who takes part: so many, and only those named where any are."""

    most: int
    names: tuple[str, ...] = ()


def turing_config(values: Mapping[str, Any] | None = None) -> TuringConfig:
    """A TuringConfig from plain values; `data` may be a mapping, `raters` a whole number.

    Raises:
        ConfigError: an unknown name (with the nearest known one) or a bad value.
    """
    values = dict(values or {})
    check_names(TuringConfig, values)
    if type(values.get("raters")) is int:
        values["raters"] = str(values["raters"])
    return TuringConfig(**with_policy(values))


def parse_raters(text: str) -> Raters:
    """'3' -> three people; 'Ann, Bob' -> these two.

    Raises:
        ConfigError: there are none, too many, or two of one name.
    """
    try:
        if text.strip().isdigit():
            raters = Raters(int(text))
        else:
            names = tuple(rater_name(part) for part in text.split(","))
            raters = Raters(len(names), names)
    except ValueError as error:
        raise ConfigError(f"raters: {error}") from error
    if len({key_of(name) for name in raters.names}) < len(raters.names):
        raise ConfigError(f"raters: two have one name, got {text!r}")
    if not 1 <= raters.most <= MOST_RATERS:
        raise ConfigError(f"raters must be between 1 and {MOST_RATERS}, got {raters.most}")
    return raters


def rater_name(text: str) -> str:
    """A name as it is kept: in composed Unicode, with single spaces.

    Raises:
        ValueError: it is empty, too long, or holds what cannot be printed.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"a name must have 1 to {LONGEST_NAME} printable characters, got {text[:60]!r}"
        )
    return name


def key_of(name: str) -> str:
    """What two spellings of one name share: 'ann' is 'Ann'."""
    return unicodedata.normalize("NFKC", name).casefold()
