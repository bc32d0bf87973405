"""The files of a data folder: links followed once and never out of the folder, in natural order."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simgan.engine.data.problems import Problem
from simgan.engine.errors import DataError

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".gif")
)
LABEL_SUFFIXES = frozenset(
    (".json", ".jsonl", ".txt", ".xml", ".csv", ".tsv",
     ".npy", ".npz", ".mat", ".yaml", ".yml", ".md")
)  # fmt: skip


@dataclass
class FileTree:
    """Files below a folder, hidden ones left out.

    Attributes:
        root: the folder, links resolved.
        images: names with an image's suffix, POSIX and relative to root, in natural order.
        others: the remaining names that can hold labels, in natural order.
        skipped: images behind links that lead out of the folder or nowhere.
        notes: link cycles and links of folders that lead out.
    """

    root: Path
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts `2.jpg` before `10.jpg`; total, so the order never depends on the disk."""
    parts = re.split(r"([0-9]+)", name)
    key = [(1, 0, part) if i % 2 == 0 else (0, int(part), part) for i, part in enumerate(parts)]
    return tuple(key)


def suffix(name: str) -> str:
    """The last suffix of a name, lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def stem(name: str) -> str:
    """A name without its last suffix, its folders kept."""
    return os.path.splitext(name)[0]


def list_files(folder: Path) -> FileTree:
    """Every file below `folder` that can be an image or hold labels.

    Raises:
        DataError: a folder cannot be listed.
    """
    root = folder.resolve()
    tree = FileTree(root)
    top = _identity(root)
    try:
        for name in _walk(tree, root, "", (top,), {top}):
            if suffix(name) in IMAGE_SUFFIXES:
                tree.images.append(name)
            elif suffix(name) in LABEL_SUFFIXES:
                tree.others.append(name)
    except PermissionError as error:
        raise DataError(f"cannot list {error.filename}: permission denied") from None
    tree.images.sort(key=natural_key)
    tree.others.sort(key=natural_key)
    return tree


Identity = tuple[int, int]  # device and inode


def _identity(path: Path) -> Identity:
    status = path.stat()
    return status.st_dev, status.st_ino


def _walk(
    tree: FileTree, folder: Path, prefix: str, above: tuple[Identity, ...], seen: set[Identity]
) -> Iterator[str]:
    with os.scandir(folder) as listing:
        # Real folders first, so that a link to one never takes its name.
        entries = sorted(listing, key=lambda entry: (entry.is_symlink(), entry.name))
    for entry in entries:
        name = prefix + entry.name
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if entry.is_symlink() and not _stays_inside(tree, Path(entry.path), name):
            continue
        if entry.is_dir():
            identity = _identity(Path(entry.path))
            if identity in seen:
                kind = "link cycle" if identity in above else "second link to a folder"
                tree.notes.append(f"{kind} at {tree.root.name}/{name}, skipped")
                continue
            seen.add(identity)
            yield from _walk(tree, Path(entry.path), name + "/", (*above, identity), seen)
        elif entry.is_file():
            yield name


def _stays_inside(tree: FileTree, link: Path, name: str) -> bool:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        reason = "link to nothing"
    else:
        if target.is_relative_to(tree.root):
            return True
        reason = f"link leads out of the data folder, to {target}"
    if suffix(name) in IMAGE_SUFFIXES:
        tree.skipped.append(Problem(name, reason))
    else:
        tree.notes.append(f"{name}: {reason}; skipped")
    return False
