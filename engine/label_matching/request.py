"""What `--match-labels` asks for, as it is typed. Imports no torch."""

import math
import zipfile
from pathlib import Path
from typing import Literal, NamedTuple

from simgan.engine.errors import ConfigError

Kind = Literal["ranges", "weights", "set", "estimate"]
FORMS = (
    "NAME=LOW..HIGH,... (pitch and yaw in degrees), a file of weights (.npy, .csv, "
    "label-match.npz, FILE.npz#KEY), a labelled set, or estimate"
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

    Of an .npz, the key of one number per row is weights, any other is a set.

    Raises:
        ConfigError: the text is none of them.
    """
    if text == "estimate":
        return Request("estimate")
    if _is_ranges(text):
        return Request("ranges", tuple(_range(part, text) for part in text.split(",")))
    if not text.strip():
        raise ConfigError(f"match_labels must be {FORMS}, got nothing")
    return Request("weights" if _is_weights(text) else "set", path=text)


def split_key(text: str) -> tuple[Path, str | None]:
    """`FILE#KEY` in its parts; the key is None where there is none."""
    path, _, key = text.partition("#")
    return Path(path).expanduser(), key or None


def _is_weights(text: str) -> bool:
    path, key = split_key(text)
    if path.suffix.lower() in (".npy", ".csv") or path.name == "label-match.npz":
        return True
    return key is not None and path.suffix.lower() == ".npz" and _is_column(path, key)


def _is_column(path: Path, key: str) -> bool:
    """Whether a member of an .npz is [N]; only its header is read."""
    from numpy.lib import format as npy_format

    try:
        with zipfile.ZipFile(path) as file, file.open(f"{key}.npy") as member:
            old = npy_format.read_magic(member) == (1, 0)
            read = npy_format.read_array_header_1_0 if old else npy_format.read_array_header_2_0
            shape, _, _ = read(member)
    except (OSError, LookupError, ValueError, zipfile.BadZipFile):
        return False  # it is opened as a set, which says what is wrong
    return len(shape) == 1


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
