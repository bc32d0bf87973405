"""Sizes, channels and depths of the images of a set, and the sentences when they do not agree."""

from collections import Counter
from typing import Any

import numpy as np

from simgan.engine.errors import DataError

MINIMUM = 23  # px; one output of the paper's discriminator sees that many
TIMES = "\u00d7"


class SetShape:
    """Counts of (height, width), of channels and of dtypes over a set."""

    def __init__(self) -> None:
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.channels: Counter[int] = Counter()
        self.dtypes: Counter[str] = Counter()

    def add(self, shape: tuple[int, ...], dtype: Any, count: int = 1) -> None:
        """Count `count` images of shape [H, W, C]."""
        self.sizes[int(shape[0]), int(shape[1])] += count
        self.channels[int(shape[2])] += count
        self.dtypes[np.dtype(dtype).name] += count

    def small(self) -> str | None:
        """`2 images are 1x1; minimum is 23x23 (discriminator's field)`, or None."""
        sizes = [(size, count) for size, count in self.sizes.most_common() if min(size) < MINIMUM]
        if not sizes:
            return None
        parts = [
            f"{count:,} {'image is' if count == 1 else 'images are'} {size[0]}{TIMES}{size[1]}"
            for size, count in sizes[:4]
        ]
        more = f" and {len(sizes) - 4} more sizes" if len(sizes) > 4 else ""
        field = f"{MINIMUM}{TIMES}{MINIMUM} (discriminator's field)"
        return f"{', '.join(parts)}{more}; minimum is {field}"

    def mixed(self, resized: bool = False) -> list[tuple[str, str]]:
        """What does not agree, as (sentence, what to do)."""
        found = []
        if len(self.sizes) > 1 and not resized:
            common = self.sizes.most_common(1)[0][0]
            listed = [f"{count:,} of {h}{TIMES}{w}" for (h, w), count in self.sizes.most_common(6)]
            more = f" and {len(self.sizes) - 6} more" if len(self.sizes) > 6 else ""
            found.append(
                (
                    f"images have {len(self.sizes)} sizes: {', '.join(listed)}{more}",
                    f"Set data.size=HxW, for example data.size={common[0]}x{common[1]}.",
                )
            )
        if len(self.channels) > 1:
            found.append(
                (
                    f"{self.channels[1]:,} images are gray and {self.channels[3]:,} are RGB",
                    "Set data.channels=gray or data.channels=rgb.",
                )
            )
        if len(self.dtypes) > 1:
            narrow, deep = self.dtypes["uint8"], self.dtypes["uint16"]
            found.append(
                (
                    f"{narrow:,} images are 8-bit and {deep:,} are 16-bit",
                    "Split them into two sets; depths are never converted silently.",
                )
            )
        return found

    def refuse_small(self) -> None:
        """Raise DataError when an image is smaller than the discriminator's field."""
        if sentence := self.small():
            raise DataError(sentence)

    def refuse_mixed(self, resized: bool = False) -> None:
        """Raise DataError when images differ in size (unless resized), channels or depth."""
        for what, fix in self.mixed(resized):
            raise DataError(what, fix=fix)
