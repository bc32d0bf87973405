"""What a section of the page consists of, before it becomes HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from simgan.engine.reporting.charts import LineChart
from simgan.engine.reporting.embedding import Embedded

Kind = Literal["good", "bad", "open", "fact"]


@dataclass(frozen=True)
class Sentence:
    """One finding: drawn from data, and whether it is good news, bad news, open or just so."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row names it.

    Attributes:
        caption: what it shows, with the unit.
        columns: headings; the first is that of the names.
        rows: texts, as many as columns.
        folded: shown only on request; `caption` is what is clicked on.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


@dataclass(frozen=True)
class Drawing:
    """A chart of another kind than lines; an empty `svg` is not shown."""

    title: str
    svg: Markup


@dataclass
class Part:
    """A section about one result that lies beside the run.

    Attributes:
        title: heading.
        anchor: its id in the page.
        source: file it was read from; empty if there was none.
        sentences: findings, the first of them for the top of the page.
        tables, charts, drawings, figures: in this order.
        notes: what to bear in mind.
    """

    title: str
    anchor: str
    source: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    charts: list[LineChart] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)
    figures: list[Embedded] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def given(self) -> bool:
        """Whether there was a result at all."""
        return bool(self.source)
