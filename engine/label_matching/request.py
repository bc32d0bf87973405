"""What `--match-labels` asks for, as it is typed. Imports no torch."""

import math
from pathlib import Path
from typing import Literal, NamedTuple

from simgan.engine.errors import ConfigError

Kind = Literal["ranges", "weights", "set", "estimate"]
FORMS = (
    "NAME=LOW..HIGH,... (pitch and yaw in degrees), a file of weights (.npy, .csv, "
    "label-match.npz), a labelled set, or estimate"
)


class Range(NamedTuple):
    """Values of one label that are wanted, both ends included."""

    name: str
    low: float
    high: float


class Request(NamedTuple):
    """What was asked for.

    Attributes:
        kind: ranges, weights, set or estimate.
        ranges: of labels, for "ranges".
        path: for "weights" and "set".
    """

    kind: Kind
    ranges: tuple[Range, ...] = ()
    path: str = ""


def parse_request(text: str) -> Request:
    """`pitch=-18..3,yaw=-18..18`, `weights.npy`, `eyes.npz#real_x` or `estimate`.

    Raises:
        ConfigError: the text is none of them.
    """
    if text == "estimate":
        return Request("estimate")
    if _is_ranges(text):
        return Request("ranges", tuple(_range(part, text) for part in text.split(",")))
    if not text.strip():
        raise ConfigError(f"match_labels must be {FORMS}, got nothing")
    weights = Path(text).suffix.lower() in (".npy", ".csv") or Path(text).name == "label-match.npz"
    return Request("weights" if weights else "set", path=text)


def _is_ranges(text: str) -> bool:
    return "=" in text and ".." in text and not Path(text).exists() and ":" not in text


def _range(part: str, text: str) -> Range:
    name, equals, span = part.strip().partition("=")
    low, dots, high = span.partition("..")
    try:
        found = Range(name.strip(), float(low), float(high))
    except ValueError:
        found = Range(name, math.nan, math.nan)
    if not (equals and dots and found.name and found.low <= found.high):
        raise ConfigError(
            f"match_labels must be NAME=LOW..HIGH,NAME=LOW..HIGH with LOW <= HIGH, got {text!r}"
        )
    return found
