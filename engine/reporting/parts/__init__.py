"""Results that lie beside a run, each with a renderer of its own behind one table.

A renderer fails soft: a file that is not what it expects becomes a sentence of the page.
"""

import json
from pathlib import Path
from typing import Any

from simgan.engine.errors import ConfigError
from simgan.engine.reporting.content import Part, Sentence
from simgan.engine.reporting.embedding import Embedder
from simgan.engine.reporting.parts import (
    ablation,
    bench,
    evaluation,
    label_check,
    label_match,
    realism,
    turing,
)
from simgan.engine.reporting.parts.kind import PartKind

# In the order of the page.
KINDS: tuple[PartKind, ...] = (
    label_match.KIND,
    label_check.KIND,
    realism.KIND,
    evaluation.KIND,
    ablation.KIND,
    turing.KIND,
    bench.KIND,
)
# What a file of another shape makes a renderer stumble over.
STRANGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
MOST_BYTES = 100_000_000
MOST_FIGURES = 8


def find(kind: PartKind, run: Path, named: str | Path | None) -> Path | None:
    """The file of a result: where the user says, else inside of the run; None without one.

    Raises:
        ConfigError: the user named a place that holds none.
    """
    if named is None:
        folders = [run / name for name in kind.folders]
        files = [folder / name for folder in folders for name in kind.files]
        return next((file for file in files if file.is_file()), None)
    place = Path(named)
    if place.is_file():
        return place
    option = kind.anchor.replace("-", "_")
    if not place.is_dir() or not kind.files:
        raise ConfigError(
            f"{option}: {place} {'is no file' if place.exists() else 'does not exist'}"
        )
    found = next((place / name for name in kind.files if (place / name).is_file()), None)
    if found is None:
        raise ConfigError(f"{option}: {place} holds no {' or '.join(kind.files)}")
    return found


def render(kind: PartKind, file: Path | None, embedder: Embedder) -> Part:
    """The section of one result; without a file, one that says what is therefore not known."""
    part = Part(kind.title, kind.anchor)
    if file is None:
        part.sentences.append(Sentence("open", kind.absent))
        return part
    part.source = str(file)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        values: Any = json.loads(file.read_bytes())
        if not isinstance(values, dict):
            raise ValueError("it holds no table of results")
        kind.fill(part, values)
    except (*STRANGE, OSError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, STRANGE) else str(error)
        part = Part(kind.title, kind.anchor, source=str(file))
        part.sentences.append(
            Sentence("open", f"{kind.title}: {file.name} cannot be shown ({reason}).")
        )
    if kind.figures:
        _embed_figures(part, file.parent, kind.figures, embedder)
    return part


def _embed_figures(part: Part, folder: Path, pattern: str, embedder: Embedder) -> None:
    files = sorted(folder.glob(pattern))
    for file in files[:MOST_FIGURES]:
        try:
            figure = embedder.file(file, f"{part.title}: {file.stem.replace('_', ' ')}")
        except (OSError, ValueError) as error:
            part.notes.append(f"{file.name} cannot be shown: {error}")
            continue
        if figure is None:
            part.notes.append(f"{file.name} is left out: the page would become too large")
        else:
            part.figures.append(figure)
    if len(files) > MOST_FIGURES:
        part.notes.append(f"{len(files) - MOST_FIGURES} more figures lie in {folder}")
