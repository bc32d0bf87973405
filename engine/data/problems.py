"""Images that cannot be used: what is wrong with each, and the sentences that count them."""

from collections.abc import Sequence
from dataclasses import dataclass

from simgan.engine.errors import DataError


class BadImage(DataError):  # noqa: N818 - the noun of the contract between sources and packing
    """One image is damaged or is no image at all; the set can go on without it.

    Args:
        name: the image's name in its source.
        reason: what is wrong, in words that need no context.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Problem:
    """An image or link of the input that is not used, and why.

    Attributes:
        name: in the source.
        reason: in words.
        chosen: the settings ask for leaving it out, so that it counts as no damage.
    """

    name: str
    reason: str
    chosen: bool = False


def percent(part: int, whole: int) -> str:
    """A share as text: `3.4 %`, and two decimals below one percent."""
    share = 100.0 * part / max(whole, 1)
    return f"{share:.1f} %" if share >= 1 else f"{share:.2f} %"


def skipped_sentence(problems: Sequence[Problem], total: int, listed_in: str) -> str:
    """`skipped 3 of 12,000 images (0.03 %), list: PATH`."""
    count = len(problems)
    return f"skipped {count:,} of {total:,} images ({percent(count, total)}), list: {listed_in}"


def refuse_too_many(problems: Sequence[Problem], total: int, max_bad: float) -> None:
    """Raise DataError when more than `max_bad` of the images are unusable, or all are."""
    damaged = [problem for problem in problems if not problem.chosen]
    count = len(damaged)
    if not count or (count <= max_bad * total and len(problems) < total):
        return
    first = damaged[0]
    raise DataError(
        f"{count:,} of {total:,} images unreadable "
        f"({percent(count, total)} > {100 * max_bad:g} %), "
        f"first: {first.name}: {first.reason}",
        fix="`simgan-engine inspect PATH` lists them all; data.max_bad sets the limit.",
    )


def transparency_error(name: str, clear: int, pixels: int) -> DataError:
    """`z.png has transparency (18 % of pixels); choose data.alpha`."""
    share = f"{100 * clear / pixels:.0f} %" if clear * 100 >= pixels else percent(clear, pixels)
    return DataError(
        f"{name} has transparency ({share} of pixels); choose data.alpha",
        fix="error, drop or composite:#rrggbb.",
    )
