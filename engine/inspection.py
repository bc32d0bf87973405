"""What a set of images holds and what of it would be refused, without changing anything."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.contact_sheet import draw_sheet
from simgan.engine.data.problems import BadImage, Problem, refuse_too_many
from simgan.engine.data.reading import read_in_order
from simgan.engine.data.set_shape import SetShape
from simgan.engine.data.source import Source
from simgan.engine.data.sources import open_source
from simgan.engine.data.value_range import count_outside, refuse_undeclared, value_range
from simgan.engine.durable import replace_file
from simgan.engine.errors import DataError

BINS = 32
SHEET_IMAGES = 40
Progress = Callable[[int, int], None]


def inspect(
    path: str | Path,
    policy: DataPolicy | None = None,
    contact_sheet: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read every image of a set once and say what is there.

    Args:
        path: as for `open_source`.
        policy: as for `open_source`; what it would refuse is reported, not raised.
        contact_sheet: PNG file to write, with up to 40 images and their labels drawn in.
        progress: called with (images done, images in all).
    Returns:
        Plain values for JSON. `problems` are damaged images, which training leaves out and counts;
        `refused` are images that need a setting; `would_refuse` are the reasons, one sentence
        each, why `train` would not start.
    Raises:
        DataError: nothing is there, or its format is unknown.
    """
    policy = policy or DataPolicy()
    source, sentences = _open(path, policy)
    survey = _Survey(source)
    for index, pixels in read_in_order(source):
        survey.add(index, pixels)
        if progress is not None and (index + 1 == len(source) or index % 256 == 255):
            progress(index + 1, len(source))
    sentences += survey.objections(policy)
    limits = survey.limits(policy)
    if contact_sheet is not None and survey.readable:
        chosen = _spread(survey.readable, SHEET_IMAGES)
        replace_file(contact_sheet, draw_sheet(source, chosen, limits or survey.span()))
    report = {
        "location": source.location,
        "format": source.format,
        "total": len(source) + len(source.skipped),
        "count": len(survey.readable),
        **survey.facts(),
        "value_range": list(limits) if limits else None,
        "clipped": count_outside(survey.counts, limits) if limits else 0,
        "labels": {key: _describe(values) for key, values in source.labels.items()},
        "sidecars": sum(len(source.sidecars(index)) for index in range(len(source))),
        "shared_files": [name for name, _ in source.shared_files()],
        "would_refuse": sentences,
        "notes": list(source.notes),
    }
    return report


def _open(path: str | Path, policy: DataPolicy) -> tuple[Source, list[str]]:
    """The source; labels that do not fit are reported and their images left out."""
    try:
        return open_source(path, policy), []
    except DataError as error:
        if policy.missing_labels == "skip":
            raise
        try:
            source = open_source(path, replace(policy, missing_labels="skip"))
        except DataError:
            raise error from None
        return source, [error.what]


class _Survey:
    """What is counted while the images of a source go by."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = SetShape()
        self.readable: list[int] = []
        self.problems = list(source.skipped)
        self.refused: list[dict[str, str]] = []
        self.warnings: list[dict[str, str]] = []
        self.by_depth: dict[str, NDArray[np.int64]] = {}
        self.first_deep: str | None = None

    def add(self, index: int, pixels: NDArray[Any] | DataError) -> None:
        """Count one image or the error that came instead."""
        name = self.source.names[index]
        if isinstance(pixels, BadImage):
            self.problems.append(Problem(name, pixels.reason))
            return
        if isinstance(pixels, DataError):
            self.refused.append({"name": name, "reason": pixels.what})
            return
        self.readable.append(index)
        self.shape.add(pixels.shape, pixels.dtype)
        bins = np.iinfo(pixels.dtype).max + 1
        counts = self.by_depth.setdefault(pixels.dtype.name, np.zeros(bins, np.int64))
        counts += np.bincount(pixels.reshape(-1), minlength=bins)
        if pixels.dtype != np.uint8 and self.first_deep is None:
            self.first_deep = name
        for warning in self.source.warnings(index):
            self.warnings.append({"name": name, "warning": warning})

    @property
    def counts(self) -> NDArray[np.int64]:
        """Of every stored value, at the depth that most images have."""
        if not self.by_depth:
            return np.zeros(256, np.int64)
        return self.by_depth[self.shape.dtypes.most_common(1)[0][0]]

    def span(self) -> tuple[float, float]:
        """Least and greatest stored value."""
        present = np.flatnonzero(self.counts)
        return (float(present[0]), float(present[-1])) if len(present) else (0.0, 255.0)

    def limits(self, policy: DataPolicy) -> tuple[float, float] | None:
        """The range that packing would use, or None when it would refuse to choose one."""
        declared = self.source.value_limits() if self.readable else None
        if not self.readable or (self.first_deep and not (policy.range or declared)):
            return None
        try:
            return value_range(self.counts, policy, declared)
        except DataError:
            return None

    def objections(self, policy: DataPolicy) -> list[str]:
        """Why `train` would not start, in the words it would use."""
        found = []
        kinds = Counter(entry["reason"].removeprefix(entry["name"]) for entry in self.refused)
        for kind, count in kinds.items():
            first = next(e for e in self.refused if e["reason"].removeprefix(e["name"]) == kind)
            more = f" (and {count - 1:,} more images)" if count > 1 else ""
            found.append(first["reason"] + more)
        total = len(self.source) + len(self.source.skipped)
        checks: list[Callable[[], None]] = [
            lambda: refuse_too_many(self.problems, total, policy.max_bad),
            self.shape.refuse_small,
        ]
        if self.first_deep is not None:
            deep = self.first_deep
            checks.append(lambda: refuse_undeclared(deep, np.uint16, self.source, policy))
        if self.readable and policy.range is not None:
            checks.append(lambda: _check_range(self.counts, policy))
        for check in checks:
            try:
                check()
            except DataError as error:
                found.append(error.what)
        mixed = self.shape.mixed(resized=policy.size is not None)
        return found + [f"{what}. {fix}" for what, fix in mixed]

    def facts(self) -> dict[str, Any]:
        """Sizes, depths, values and everything that is wrong, for JSON."""
        sizes = [
            {"height": height, "width": width, "count": count}
            for (height, width), count in self.shape.sizes.most_common()
        ]
        low, high = self.span()
        edges = (0.0, 255.0) if len(self.counts) == 256 else (low, high)
        return {
            "sizes": sizes,
            "channels": {str(key): n for key, n in sorted(self.shape.channels.items())},
            "dtypes": dict(sorted(self.shape.dtypes.items())),
            "values": {"min": low, "max": high, "mean": _mean(self.counts)},
            "histogram": {"low": edges[0], "high": edges[1], "counts": _bins(self.counts, *edges)},
            "problems": [{"name": p.name, "reason": p.reason} for p in self.problems],
            "refused": self.refused,
            "warnings": self.warnings,
        }


def _check_range(counts: NDArray[np.int64], policy: DataPolicy) -> None:
    value_range(counts, policy, None)


def _mean(counts: NDArray[np.int64]) -> float | None:
    total = int(counts.sum())
    return float(np.arange(len(counts)) @ counts / total) if total else None


def _bins(counts: NDArray[np.int64], low: float, high: float) -> list[int]:
    """Counts of stored values in 32 bins of equal width over [low, high]."""
    values = np.arange(len(counts))
    binned, _ = np.histogram(values, bins=BINS, range=(low, high + 1), weights=counts)
    return [int(count) for count in binned]


def _describe(values: NDArray[Any]) -> dict[str, Any]:
    """Shape, dtype and the range of each component of a label; of text, how many differ."""
    if values.dtype.kind == "U":
        different = len(np.unique(values))
        return {"shape": list(values.shape), "dtype": "text", "different": different}
    flat = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[:, None]
    small = flat.shape[1] <= 4
    axis = 0 if small else None
    low, high = flat.min(axis=axis), flat.max(axis=axis)
    return {
        "shape": list(values.shape),
        "dtype": values.dtype.name,
        "min": np.atleast_1d(low).tolist(),
        "max": np.atleast_1d(high).tolist(),
    }


def _spread(indices: list[int], count: int) -> list[int]:
    """Up to `count` of the indices, evenly spread."""
    if len(indices) <= count:
        return indices
    places = np.linspace(0, len(indices) - 1, count).round().astype(int)
    return [indices[place] for place in places]
