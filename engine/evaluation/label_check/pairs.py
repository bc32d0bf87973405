"""Pairs of a synthetic image and the same image refined, found by name or by place in the set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import parse_size
from simgan.engine.data.array_images import ArraySource
from simgan.engine.data.pixels import resize
from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import Source
from simgan.engine.errors import DataError
from simgan.engine.observer import Observer

LEAST = 10  # pairs; quantiles of fewer say nothing

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Matched:
    """Which images of two sets belong together.

    Attributes:
        synthetic, refined: int64 [N], rows of the sets.
        by: `name` or `place`.
        alone: images without a partner, of the synthetic and of the refined set.
    """

    synthetic: Rows
    refined: Rows
    by: str
    alone: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Pairs:
    """Images to compare.

    Attributes:
        names: of the N pairs, as in the synthetic set.
        synthetic, refined: uint8 or uint16 [N, H, W, C].
        labels: of the synthetic images, arrays [N, ...].
        stored: int64 [N, 2], height and width before any resize.
        source: the synthetic set.
        facts: plain values for the report.
    """

    names: list[str]
    synthetic: NDArray[Any]
    refined: NDArray[Any]
    labels: dict[str, NDArray[Any]]
    stored: NDArray[np.int64]
    source: Source
    facts: dict[str, Any]

    def __len__(self) -> int:
        return len(self.names)


def match(synthetic: Source, refined: Source) -> Matched:
    """Find the partner of every image: the same name, else the same but for the suffix.

    Members of array files have no names of their own: they pair by place.

    Raises:
        DataError: array sets of different lengths, or not one pair.
    """
    either_array = isinstance(synthetic, ArraySource) or isinstance(refined, ArraySource)
    both_arrays = isinstance(synthetic, ArraySource) and isinstance(refined, ArraySource)
    if not both_arrays:
        for key in (str, _stem):
            found = _by_key(list(map(key, synthetic.names)), list(map(key, refined.names)))
            if len(found.synthetic):
                return found
    if not either_array:
        raise DataError(
            "no image of the synthetic set has a partner of the same name in the refined one",
            where=f"first: {synthetic.names[0]} in {synthetic.location}, "
            f"{refined.names[0]} in {refined.location}",
        )
    if len(synthetic) != len(refined):
        raise DataError(
            f"the synthetic set has {len(synthetic):,} images and the refined one "
            f"{len(refined):,}; arrays pair by place, so the counts must be equal",
            where=f"{synthetic.location}, {refined.location}",
        )
    every = np.arange(len(synthetic))
    return Matched(every, every, "place")


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if name else name


def _by_key(synthetic: Sequence[str], refined: Sequence[str]) -> Matched:
    """Pairs of equal keys; none where a key stands for two images."""
    place = {key: row for row, key in enumerate(refined)}
    if len(place) < len(refined) or len(set(synthetic)) < len(synthetic):
        return Matched(np.empty(0, np.int64), np.empty(0, np.int64), "name")
    rows = np.array([(i, place[key]) for i, key in enumerate(synthetic) if key in place], np.int64)
    rows = rows.reshape(-1, 2)
    alone = (len(synthetic) - len(rows), len(refined) - len(rows))
    return Matched(rows[:, 0], rows[:, 1], "name", alone)


def drawn(count: int, sample: int, seed: int) -> Rows:
    """At most `sample` of `count` rows at random, ascending."""
    if sample >= count:
        return np.arange(count)
    chosen = np.random.default_rng(seed).choice(count, sample, replace=False)
    return np.sort(chosen).astype(np.int64)


def stored_pairs(
    synthetic: Source, refined: Source, sample: int, seed: int, observer: Observer
) -> Pairs:
    """A random sample of the pairs of two sets.

    Raises:
        DataError: nothing pairs, or two partners differ in size, channels or depth.
    """
    matched = match(synthetic, refined)
    for count, kind in zip(matched.alone, ("synthetic", "refined"), strict=True):
        if count:
            other = "refined" if kind == "synthetic" else "synthetic"
            observer.warning(f"{count:,} {kind} images have no {other} partner: left out")
    chosen = drawn(len(matched.synthetic), sample, seed)
    rows, others = matched.synthetic[chosen], matched.refined[chosen]
    kept, images, copies, sizes, damaged = [], [], [], [], []
    for row, other in zip(rows.tolist(), others.tolist(), strict=True):
        try:
            image, copy = synthetic.read(row), refined.read(other)
        except BadImage as error:
            damaged.append(f"{error.name}: {error.reason}")
            continue
        sizes.append(image.shape[:2])
        image, copy = (resized(pixels, synthetic.policy.size) for pixels in (image, copy))
        _refuse_unlike(image, copy, synthetic.names[row])
        kept.append(row)
        images.append(image)
        copies.append(copy)
    if damaged:
        observer.warning(f"{len(damaged):,} pairs are unreadable: left out, first: {damaged[0]}")
    facts = {
        "found": len(matched.synthetic),
        "by": matched.by,
        "alone": {"synthetic": matched.alone[0], "refined": matched.alone[1]},
        "unreadable": len(damaged),
        "refined": {"location": refined.location, "format": refined.format},
    }
    return gathered(synthetic, kept, images, copies, sizes, facts)


def resized(pixels: NDArray[Any], size: str | None) -> NDArray[Any]:
    """An image [H, W, C] at `data.size`, where that is set."""
    return pixels if size is None else resize(pixels, *parse_size(size, "data.size"))


def gathered(
    source: Source,
    rows: Sequence[int],
    images: list[NDArray[Any]],
    copies: Iterable[NDArray[Any]],
    sizes: Sequence[tuple[int, ...]],
    facts: dict[str, Any],
) -> Pairs:
    """The pairs of some rows of a synthetic set, its labels beside them.

    Raises:
        DataError: they are too few, or not all of one shape.
    """
    if len(images) < LEAST:
        raise DataError(
            f"there are {len(images):,} pairs to compare, at least {LEAST} are needed",
            where=source.location,
        )
    for row, image in zip(rows, images, strict=True):
        if image.shape != images[0].shape:
            raise DataError(
                f"images must have one size: {source.names[rows[0]]} is {_shape(images[0])}, "
                f"{source.names[row]} is {_shape(image)}",
                fix="Set data.size=HxW to compare them at one size.",
            )
    index = np.asarray(rows, np.int64)
    return Pairs(
        names=[source.names[row] for row in rows],
        synthetic=np.stack(images),
        refined=np.stack(list(copies)),
        labels={key: values[index] for key, values in source.labels.items()},
        stored=np.asarray(sizes, np.int64),
        source=source,
        facts={
            "compared": len(images),
            "size": _shape(images[0]),
            "synthetic": {"location": source.location, "format": source.format},
            **facts,
        },
    )


def _shape(image: NDArray[Any]) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"


def _refuse_unlike(image: NDArray[Any], copy: NDArray[Any], name: str) -> None:
    if image.shape[:2] != copy.shape[:2]:
        raise DataError(
            f"{name} is {_shape(image)} in the synthetic set and {_shape(copy)} in the refined one",
            fix="Give the set that was refined, or set data.size=HxW to compare both at one size.",
        )
    if image.shape[2] != copy.shape[2]:
        first, second = ("gray" if p.shape[2] == 1 else "colour" for p in (image, copy))
        raise DataError(
            f"{name} is {first} in the synthetic set and {second} in the refined one",
            fix="Set data.channels=gray to compare their brightness.",
        )
    if image.dtype != copy.dtype:
        raise DataError(
            f"{name} is {image.dtype.name} in the synthetic set and {copy.dtype.name} in the "
            "refined one; depths are never converted silently"
        )
