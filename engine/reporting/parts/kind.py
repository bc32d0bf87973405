"""What is known of a kind of result before its file is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simgan.engine.reporting.content import Part


@dataclass(frozen=True)
class PartKind:
    """A kind of result.

    Attributes:
        title: of its section.
        anchor: its id in the page; with _ for -, the argument of `report` that may name its place.
        folders: inside of a run, where it is looked for unasked.
        files: that hold it; the first one there is read.
        absent: the sentence for a page without it.
        fill: puts what its file holds into a part.
        figures: a pattern for the files beside it that belong to it; empty where none do.
    """

    title: str
    anchor: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    absent: str
    fill: Callable[[Part, dict[str, Any]], None]
    figures: str = "*.png"
