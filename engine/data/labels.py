"""Labels against images: which match, which are missing, which belong to nothing."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.errors import DataError

NAME_COLUMNS = ("name", "file", "filename", "image")
PERSONS = ("person", "subject")  # labels that say whose images they are; they may be text


@dataclass(frozen=True)
class LabelMatch:
    """Which images have a label.

    Attributes:
        kept: indices of the images to use, in order.
        missing: names of images without a label, or with an unusable one and why.
        extra: labels that no image belongs to.
    """

    kept: list[int]
    missing: list[str]
    extra: list[str]

    def sentence(self) -> str:
        """`labels: 11,997 matched, 3 missing (first: img_0042.json), 0 extra`."""
        first = f" (first: {self.missing[0]})" if self.missing else ""
        spare = f" (first: {self.extra[0]})" if self.extra else ""
        return (
            f"labels: {len(self.kept):,} matched, {len(self.missing):,} missing{first}, "
            f"{len(self.extra):,} extra{spare}"
        )


def match_labels(
    missing: Mapping[int, str], total: int, extra: Sequence[str], policy: DataPolicy
) -> LabelMatch:
    """Judge the labels of a set of `total` images.

    Args:
        missing: image index to the label file that is missing, or that is unusable and why.
        total: number of images.
        extra: labels without an image.
        policy: `missing_labels` decides.
    Raises:
        DataError: something is missing or extra and the policy is `error`, or nothing matches.
    """
    kept = [index for index in range(total) if index not in missing]
    match = LabelMatch(kept, [missing[index] for index in sorted(missing)], list(extra))
    if (match.missing or match.extra) and (policy.missing_labels == "error" or not kept):
        raise DataError(
            match.sentence(),
            fix="Complete the labels, or set data.missing_labels=skip to leave those images out.",
        )
    return match


def read_table(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[int, str], list[str]]:
    """Labels of a CSV file with a column of image names.

    Args:
        path: the file; its first row names the columns.
        names: image names, relative to the folder of the file.
    Returns:
        numeric columns [N] aligned with `names` (NaN where missing) and those of persons, which
        may be text; the missing ones as for `match_labels`; names in the table that no image has.
    Raises:
        DataError: the table cannot be parsed, names an image twice or holds text among numbers.
    """
    header, rows = _read_rows(path)
    key = next(column for column in header if column.strip().lower() in NAME_COLUMNS)
    where = {name: index for index, name in enumerate(names)}
    for index, name in enumerate(names):
        base = name.rpartition("/")[2]
        where.setdefault(base, index)
    row_of: dict[int, dict[str, str]] = {}
    extra = []
    for row in rows:
        index = where.get(row[key].strip().replace("\\", "/").removeprefix("./"), -1)
        if index < 0:
            extra.append(row[key])
        elif index in row_of:
            raise DataError(f"{path.name} names {row[key]} twice")
        else:
            row_of[index] = row
    missing = {i: f"{name} in {path.name}" for i, name in enumerate(names) if i not in row_of}
    labels: dict[str, NDArray[Any]] = {}
    for column in header:
        cells = {i: row[column] for i, row in row_of.items()}
        if column == key:
            continue
        if names_persons(column) and not all(_is_number(cell) for cell in cells.values()):
            labels[column] = np.array([cells.get(i, "").strip() for i in range(len(names))])
            blank = {i for i in row_of if not cells[i].strip()}
        elif (values := _numbers(path, column, cells, len(names))) is not None:
            labels[column] = values
            blank = {i for i in row_of if not math.isfinite(values[i])}
        else:
            continue
        for i in blank:
            missing[i] = f"{names[i]}: {column} is {cells[i] or 'empty'} in {path.name}"
    return labels, missing, extra


def names_persons(key: str) -> bool:
    """Whether a label says whose images they are: `person`, `eyes_person`, `subject`, ..."""
    return any(f"_{key.lower()}".endswith(f"_{name}") for name in PERSONS)


def is_label_table(path: Path) -> bool:
    """Whether a CSV file has a column of image names."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return any(column.strip().lower() in NAME_COLUMNS for column in header)


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            rows = list(reader)
            header = list(reader.fieldnames or [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be parsed: {error}") from None
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise DataError(f"{path.name} line {number} has more cells than the header")
    return header, rows


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _numbers(path: Path, column: str, cells: Mapping[int, str], total: int) -> NDArray[Any] | None:
    """A column as float32 [total], or None when it holds text."""
    values = np.full(total, np.nan, np.float32)
    text = []
    for index, cell in cells.items():
        try:
            values[index] = float(cell) if cell.strip() else math.nan
        except ValueError:
            text.append(cell)
    if len(text) * 2 > len(cells) or not cells:
        return None
    if text:
        raise DataError(f"{path.name}: column {column} holds {text[0]!r} among numbers")
    return values
