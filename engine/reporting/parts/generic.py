"""Any JSON of results as tables: numbers, estimates with intervals, rows of either."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.scale import number

SPOKEN = ("verdict", "summary", "sentence")  # keys whose text is a finding
NOTED = ("notes", "warnings")
SETTINGS = ("config", "environment")  # folded
MOST_ROWS = 60
MOST_COLUMNS = 12
MOST_ITEMS = 8  # of a list that is one cell
MOST_CHARACTERS = 300  # of a cell
MOST_TABLES = 20
DEEPEST = 4  # tables within tables

Values = Mapping[str, Any]


def fill(part: Part, values: Values, *, folded: bool = False) -> None:
    """Sentences, notes and tables of whatever `values` holds, in its own order.

    Args:
        part: gets them.
        values: of a JSON file.
        folded: fold every table, because what matters stands above.
    """
    part.sentences += [
        Sentence("fact", values[k]) for k in SPOKEN if isinstance(values.get(k), str)
    ]
    for key in NOTED:
        if isinstance(values.get(key), list):
            part.notes += [text for text in values[key] if isinstance(text, str)]
    plain = {k: v for k, v in values.items() if k not in (*SPOKEN, *NOTED)}
    cells = {key: cell(value) for key, value in plain.items()}
    rows = [(words(key), text) for key, text in cells.items() if text is not None]
    if rows:
        part.tables.append(Table("Figures", ("figure", "value"), rows[:MOST_ROWS], folded))
    for key, value in plain.items():
        if cells[key] is None:
            _add(part, key, value, folded=folded or key in SETTINGS)


def _add(part: Part, key: str, value: Any, *, folded: bool) -> None:
    caption = words(key)
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        named = [(str(index + 1), row) for index, row in enumerate(value)]
        table = _rows(caption, named, folded=folded)
    elif isinstance(value, Mapping) and value:
        inner = all(isinstance(row, Mapping) and not _is_estimate(row) for row in value.values())
        if inner:
            table = _rows(caption, value.items(), folded=folded)
        else:
            told = list(_leaves(value, DEEPEST))[:MOST_ROWS]
            table = Table(caption, ("figure", "value"), told, folded)
    else:
        return
    if table.rows and len(part.tables) < MOST_TABLES:
        part.tables.append(table)


def _leaves(values: Values, depth: int) -> Iterator[tuple[str, str]]:
    """(name, text) of every value, those of inner tables under `outer, inner`."""
    for key, value in values.items():
        text = cell(value)
        if text is not None:
            yield words(key), text
        elif isinstance(value, Mapping) and depth > 1:
            yield from ((f"{words(key)}, {name}", t) for name, t in _leaves(value, depth - 1))


def _rows(caption: str, named: Iterable[tuple[str, Values]], *, folded: bool) -> Table:
    """One row each; a text column that tells rows apart takes the place of their number."""
    rows = list(named)
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    columns = [c for c in columns if any(cell(row.get(c)) is not None for _, row in rows)]
    numbered = all(name.isdigit() for name, _ in rows)
    if numbered and columns and all(isinstance(row.get(columns[0]), str) for _, row in rows):
        head, columns = columns[0], columns[1:]
        rows = [(row[head], row) for _, row in rows]
    else:
        head = ""
    columns = columns[:MOST_COLUMNS]
    texts = [[words(n), *(cell(row.get(c)) or "" for c in columns)] for n, row in rows[:MOST_ROWS]]
    more = f" ({MOST_ROWS} of {len(rows):,} rows)" if len(rows) > MOST_ROWS else ""
    headings = [words(head), *map(words, columns)]
    return Table(caption + more, headings, texts, folded)


def cell(value: Any) -> str | None:
    """A value as the text of one cell; None for what needs more room."""
    if isinstance(value, Mapping):
        return estimate(value) if _is_estimate(value) else None
    if isinstance(value, list):
        texts = [None if isinstance(item, list) else cell(item) for item in value[: MOST_ITEMS + 1]]
        told = [text for text in texts if text is not None]
        return ", ".join(told) if len(told) == len(value) <= MOST_ITEMS else None
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)[:MOST_CHARACTERS]


def estimate(value: Values) -> str:
    """`{"value": 1, "low": 0, "high": 2}` as `1 (0 to 2)`."""
    low, high = value.get("low"), value.get("high")
    told = number(value["value"])
    if low is None or high is None:
        return told
    return f"{told} ({number(low)} to {number(high)})"


def _is_estimate(value: Values) -> bool:
    known = {"value", "low", "high"}
    return "value" in value and set(value) <= known and not isinstance(value["value"], Mapping)


def words(key: str) -> str:
    """A name of a file as words."""
    return str(key).replace("_", " ")
