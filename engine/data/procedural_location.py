"""Where built-in images are: `procedural:KIND?count=N&seed=S`, and what their numbers may be."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from simgan.engine.errors import DataError

SCHEME = "procedural:"
COUNT = (1, 100_000_000)
SEED = (0, 2**63 - 1)


def parse_numbers(
    text: str, things: str, kinds: Sequence[str], defaults: Mapping[str, int], example: str
) -> tuple[str, dict[str, int]]:
    """Kind and numbers of a location.

    Args:
        text: the location.
        things: what the images show, for messages: "eyes".
        kinds: that there are.
        defaults: every number that a location may give.
        example: of a location, told as the fix.
    Raises:
        DataError: the kind, a key or a value is not one of these.
    """
    if not text.startswith(SCHEME):
        raise DataError(f"{text!r} does not begin with {SCHEME}", fix=example)
    kind, _, query = text.removeprefix(SCHEME).partition("?")
    if kind not in kinds:
        raise DataError(f"{text}: there are no procedural {things} of kind {kind!r}", fix=example)
    numbers = dict(defaults)
    seen: set[str] = set()
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in numbers:
            known = ", ".join(numbers)
            raise DataError(f"{text}: unknown key {key!r}, expected {known}", fix=example)
        if key in seen:
            raise DataError(f"{text}: {key} is given twice", fix=example)
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise DataError(
                f"{text}: {key} must be a whole number below 2**63, got {value!r}", fix=example
            )
        seen.add(key)
        numbers[key] = int(value)
    return kind, numbers


def check_number(things: str, name: str, value: int, limits: tuple[int, int]) -> None:
    """Raise DataError where a number of procedural `things` is outside [low, high]."""
    low, high = limits
    if not low <= value <= high:
        raise DataError(f"{name} of procedural {things} must be {low} to {high}, got {value}")
