"""Draws the images of a test from their sets: only those that are shown are ever read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy, parse_size
from simgan.engine.data.pixels import resize
from simgan.engine.data.problems import BadImage, Problem, refuse_too_many
from simgan.engine.data.source import Source
from simgan.engine.data.sources import open_source
from simgan.engine.data.value_range import count_values, refuse_undeclared, value_range
from simgan.engine.errors import DataError
from simgan.engine.evaluation.turing.design import (
    PRACTICE,
    REAL,
    REFINED,
    SYNTHETIC,
    Design,
    Picture,
)
from simgan.engine.observer import Observer

KINDS = (REAL, REFINED, SYNTHETIC)


@dataclass(frozen=True)
class ImageSet:
    """Where images of one kind come from."""

    location: str
    policy: DataPolicy


@dataclass(frozen=True)
class Drawn:
    """Images drawn from one set, as stored: uint8 or uint16 [n, H, W, C]."""

    names: list[str]
    images: list[NDArray[Any]]
    source: Source


def draw(
    sets: Mapping[str, ImageSet],
    *,
    images: int,
    control: int,
    practice: int,
    seed: int,
    settings: Mapping[str, Any],
    observer: Observer,
) -> Design:
    """Choose images at random, without repetition, for practice and for each part.

    Args:
        sets: of the kinds `real`, `refined` and, for a second part, `synthetic`.
        images: of the part with refined images, half of them real.
        control: of the part with synthetic images, half of them real.
        practice: images that count in no part, half of them real.
        seed: of the choice.
        settings: kept in the design.
        observer: is told of images that were skipped.
    Raises:
        DataError: a set has too few images, images differ in size, channels or depth, or an image
            is both refined (or synthetic) and real.
    """
    halves = {REFINED: images // 2}
    if SYNTHETIC in sets:
        halves[SYNTHETIC] = control // 2
    taught = practice // 2
    needed = {
        REAL: sum(halves.values()) + taught,
        REFINED: halves[REFINED] + taught,
        SYNTHETIC: halves.get(SYNTHETIC, 0),
    }
    drawn = {
        kind: _draw_set(kind, sets[kind], needed[kind], seed, observer)
        for kind in KINDS
        if kind in sets
    }
    _refuse_mixed(drawn)
    shown = {kind: _as_shown(some) for kind, some in drawn.items()}
    _refuse_shared(drawn, shown)
    pictures = [Picture(kind, name) for kind, some in drawn.items() for name in some.names]
    left = {
        kind: [i for i, picture in enumerate(pictures) if picture.kind == kind] for kind in drawn
    }

    def take(kind: str, count: int) -> list[int]:
        taken, left[kind] = left[kind][:count], left[kind][count:]
        return taken

    blocks = {kind: take(kind, half) + take(REAL, half) for kind, half in halves.items()}
    if taught:
        blocks = {PRACTICE: take(REFINED, taught) + take(REAL, taught), **blocks}
    return Design(dict(settings), pictures, blocks, np.concatenate(list(shown.values())))


def _draw_set(kind: str, chosen: ImageSet, count: int, seed: int, observer: Observer) -> Drawn:
    where = f"{kind} images: {chosen.location}"
    try:
        source = open_source(chosen.location, chosen.policy)
        size = parse_size(chosen.policy.size, "data.size") if chosen.policy.size else None
        names: list[str] = []
        images: list[NDArray[Any]] = []
        problems: list[Problem] = []
        order = np.random.default_rng([seed, KINDS.index(kind)]).permutation(len(source))
        for index in order.tolist():
            if len(images) == count:
                break
            try:
                pixels = source.read(index)
            except BadImage as error:
                problems.append(Problem(error.name, error.reason))
                continue
            names.append(source.names[index])
            images.append(resize(pixels, *size) if size else pixels)
        refuse_too_many(problems, len(source), chosen.policy.max_bad)
        if len(images) < count:
            raise DataError(
                f"too few images: the test needs {count:,}, there are {len(images):,}",
                fix="Use smaller --images, --control or --practice.",
            )
    except DataError as error:
        if error.where is not None:
            where = f"{error.where}; {where}"
        raise DataError(error.what, where=where, fix=error.fix) from error
    if problems:
        observer.warning(
            f"skipped {len(problems)} damaged {kind} images (first: {problems[0].name}: "
            f"{problems[0].reason})"
        )
    return Drawn(names, images, source)


def _refuse_mixed(drawn: Mapping[str, Drawn]) -> None:
    """What differs in size or mode tells the truth before anybody has looked."""
    first: tuple[str, str] | None = None
    for kind, some in drawn.items():
        for name, image in zip(some.names, some.images, strict=True):
            height, width, channels = image.shape
            spoken = f"{height}x{width} {'RGB' if channels == 3 else 'gray'}"
            if first is None:
                first = spoken, f"{kind} {name}"
            elif spoken != first[0]:
                raise DataError(
                    "all images must have one size and the same channels: "
                    f"{first[1]} is {first[0]}, {kind} {name} is {spoken}",
                    fix="Set --data-size HxW, or --data-channels gray.",
                )


def _as_shown(some: Drawn) -> NDArray[np.uint8]:
    """8 bits: 8-bit images as they are, others by the one range of their set."""
    kinds = {image.dtype for image in some.images}
    if len(kinds) > 1:
        raise DataError(f"{some.source.location} has images of 8 and of 16 bits")
    images = np.stack(some.images)
    if images.dtype == np.uint8:
        return images
    source = some.source
    refuse_undeclared(some.names[0], images.dtype, source, source.policy)
    low, high = value_range(count_values(images), source.policy, source.value_limits())
    levels = np.clip((images.astype(np.float64) - low) / (high - low), 0, 1)
    return np.rint(255 * levels).astype(np.uint8)


def _refuse_shared(drawn: Mapping[str, Drawn], shown: Mapping[str, NDArray[np.uint8]]) -> None:
    names = zip(shown[REAL], drawn[REAL].names, strict=True)
    real = {image.tobytes(): name for image, name in names}
    for kind in (REFINED, SYNTHETIC):
        for index, image in enumerate(shown.get(kind, ())):
            same = real.get(image.tobytes())
            if same is not None:
                raise DataError(
                    f"{kind} {drawn[kind].names[index]} and real {same} are the same image",
                    fix=f"Check --{kind} and --real.",
                )
