"""Labelled sets as a task takes them: gray images, what is to be estimated, persons."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import parse_size
from simgan.engine.data.packing import ImageArray, pack
from simgan.engine.data.problems import BadImage
from simgan.engine.data.source import Source
from simgan.engine.data.sources import open_source
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.config import (
    EvaluateConfig,
    parse_label_unit,
    training_sets,
)
from simgan.engine.evaluation.task import TaskLabels, Truth
from simgan.engine.evaluation.tasks import task_of
from simgan.engine.observer import Observer

STRETCH = 1.1  # ratio of aspect ratios above which a resize is worth a warning
LEAST = {"train": 20, "validation": 5, "test": 10}  # images


@dataclass(frozen=True)
class LabelledSet:
    """One set of an evaluation.

    Attributes:
        name: of the arm, or `test`, `validation`.
        images: the images, gray, of the task's size, with no labels in it.
        truth: float64 [N, ...], what the task estimates.
        persons: int64 or text [N], or None.
        label: name of the task's labels in the set.
        description: of the images and labels, for people.
    """

    name: str
    images: ImageArray
    truth: Truth
    persons: NDArray[Any] | None
    label: str
    description: str

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Sets:
    """All sets of an evaluation."""

    arms: list[LabelledSet]
    validation: LabelledSet | None
    test: LabelledSet


def load_sets(config: EvaluateConfig, observer: Observer) -> Sets:
    """Open, pack and check every set.

    Raises:
        ConfigError: no training or test set is named, or a unit for a set that there is not.
        DataError: a set cannot be read, has no usable labels, or too few images.
    """
    if not config.train:
        raise ConfigError(
            "--train is missing: evaluate needs labelled images to train on",
            fix="For example --train simulator/ --train refined/ --test real/.",
        )
    if config.test is None:
        raise ConfigError("--test is missing: evaluate needs labelled images to test on")
    named = training_sets(config.train)
    _check_units(config, [item.name for item in named])

    used: set[str] = set()  # names of labels

    def load(role: str, name: str, path: str) -> LabelledSet:
        found = load_set(path, role, name, config, observer)
        used.add(found.label)
        return found

    arms = [
        join(item.name, [load("train", item.name, path) for path in item.paths], observer)
        for item in named
    ]
    chooser = load("validation", "validation", config.validation) if config.validation else None
    sets = Sets(arms, chooser, load("test", "test", config.test))
    if config.label and ",".join(map(str.strip, config.label.split(","))) not in used:
        raise ConfigError(f"label: no set has {config.label}")
    return sets


def join(name: str, parts: list[LabelledSet], observer: Observer) -> LabelledSet:
    """Several sets as one arm.

    Raises:
        DataError: their images differ in size, or stored values in depth or range.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0].images
    for part in parts[1:]:
        if part.images.images.shape[1:] != first.images.shape[1:]:
            raise DataError(
                f"{name}: images of {first.location} are {first.height}x{first.width}, those of "
                f"{part.images.location} {part.images.height}x{part.images.width}",
                fix="Set data.size=HxW.",
            )
        same = (part.images.images.dtype, part.images.value_range)
        if same != (first.images.dtype, first.value_range):
            raise DataError(
                f"{name}: {first.location} and {part.images.location} store their values "
                "differently (depth or range), so they cannot be joined"
            )
    images = ImageArray(
        images=np.concatenate([part.images.images for part in parts]),
        names=[n for part in parts for n in part.images.names],
        labels={},
        value_range=first.value_range,
        fingerprint="+".join(part.images.fingerprint for part in parts),
        format=" + ".join(part.images.format for part in parts),
        location=" + ".join(part.images.location for part in parts),
    )
    truth = np.concatenate([part.truth for part in parts])
    observer.message(f"{name}: {len(images):,} images of {len(parts)} sets together")
    label = " + ".join(dict.fromkeys(part.label for part in parts))
    description = "; ".join(part.description for part in parts)
    return LabelledSet(name, images, truth, _all_persons(parts), label, description)


def _all_persons(parts: list[LabelledSet]) -> NDArray[np.int64] | None:
    """Persons of joined sets, whose numbers mean other people in each; None if one has none."""
    known = [part.persons for part in parts if part.persons is not None]
    if len(known) < len(parts):
        return None
    codes, first = [], 0
    for persons in known:
        different, code = np.unique(persons, return_inverse=True)
        codes.append(first + code)
        first += len(different)
    return np.concatenate(codes).astype(np.int64)


def load_set(
    path: str, role: str, name: str, config: EvaluateConfig, observer: Observer
) -> LabelledSet:
    """One set, its images made gray and of the task's size where they are not, and said to be."""
    task = task_of(config)
    units = parse_label_unit(config.label_unit)
    policy = replace(config.data, channels="gray")
    if task.size is not None:
        policy = replace(policy, size="x".join(map(str, task.size)))
    try:
        source = open_source(path, policy)
        labels = task.read(source, config.label, units.get(name, units.get("")))
        changed = _changes(source, policy.size, observer, name)
        # so that they stay with their images in packing
        source.labels = _as_labels(task.label, labels)
        array = pack(source)
        truth = task.truth(array.labels[task.label], array.height, array.width)
    except DataError as error:
        where = f"{error.where}; {role} set: {path}" if error.where else f"{role} set: {path}"
        raise DataError(error.what, where=where, fix=error.fix) from error
    if len(array) < LEAST[role]:
        raise DataError(
            f"the {role} set has {len(array):,} images, at least {LEAST[role]} are needed",
            where=path,
        )
    described = (
        f"{len(array):,} images, used as gray {array.height}x{array.width}{changed} "
        f"({array.format}, {path}); {labels.description}"
    )
    if labels.persons is not None:
        described += f"; {len(np.unique(labels.persons)):,} persons"
    if role == "train":
        described += f"; {task.spread(truth)}"
    observer.message(f"{name}: {described}")
    if array.problems:
        first = array.problems[0]
        observer.warning(
            f"{name}: left out {len(array.problems):,} of {array.total:,} images, "
            f"first: {first.name}: {first.reason}"
        )
    return LabelledSet(
        name=name,
        images=replace(array, labels={}),
        truth=truth,
        persons=array.labels.get("person"),
        label=labels.names,
        description=described,
    )


def _check_units(config: EvaluateConfig, names: list[str]) -> None:
    known = [*names, "test", "validation"]
    for name in parse_label_unit(config.label_unit):
        if name and name not in known:
            raise ConfigError(f"label_unit names {name!r}, which is none of {', '.join(known)}")


def _as_labels(name: str, labels: TaskLabels) -> dict[str, NDArray[np.generic]]:
    found: dict[str, NDArray[np.generic]] = {name: labels.values}
    if labels.persons is not None:
        found["person"] = labels.persons
    return found


def _changes(source: Source, size: str | None, observer: Observer, name: str) -> str:
    """What is done to the images, from the first one that can be read."""
    if size is None:
        return ""
    target = parse_size(size, "data.size")
    for index in range(len(source)):
        try:
            height, width = source.read(index).shape[:2]
        except BadImage:
            continue
        if (height, width) == target:
            return ""
        ratio = (width / height) / (target[1] / target[0])
        if not 1 / STRETCH < ratio < STRETCH:
            observer.warning(
                f"{name}: images of {height}x{width} are stretched to {size}; "
                "crop them to that shape for a fair test"
            )
        return f", resized from {height}x{width} (Lanczos)"
    return ""


def warn_of_shared_images(sets: Sets, observer: Observer) -> None:
    """Warn of test images that are also in a training set: then the errors mean nothing."""
    test = _digests(sets.test.images)
    known = [*sets.arms, *([sets.validation] if sets.validation else [])]
    for other in known:
        both = len(test & _digests(other.images))
        if both:
            observer.warning(
                f"{both:,} test images are also in {other.name}: errors on them say nothing"
            )


def _digests(array: ImageArray) -> set[bytes]:
    images = array.images
    return {hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images}


def split_rows(
    count: int, persons: NDArray[Any] | None, share: float, order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Rows to train on and rows to validate on, and by what they were parted.

    Args:
        count: images of the set.
        persons: int64 or text [count]; with at least two, whole persons are held out, until they
            have `share` of the images.
        share: to validate on.
        order: a permutation of the images.
    """
    wanted = max(LEAST["validation"], round(share * count))
    if persons is None or len(np.unique(persons)) < 2:
        return np.sort(order[wanted:]), np.sort(order[:wanted]), "images"
    _, first = np.unique(persons[order], return_index=True)
    held: list[Any] = []
    chosen = np.zeros(count, bool)
    for person in persons[order][np.sort(first)][:-1]:
        held.append(person)
        chosen = np.isin(persons, held)
        if chosen.sum() >= wanted:
            break
    return np.flatnonzero(~chosen), np.flatnonzero(chosen), f"{len(held)} persons"
