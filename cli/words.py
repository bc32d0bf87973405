"""Numbers and tables as a person reads them; ASCII only."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def size(count: float) -> str:
    """Bytes: 0 -> '0 B', 1536 -> '1.5 kB' (powers of 1000), 4_800_000 -> '4.8 MB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """75.2 -> '1:15'; 3700 -> '1:01:40'; what is no time -> '?'."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = (), indent: int = 0) -> str:
    """Left-aligned columns two spaces apart, without trailing spaces."""
    cells = [[str(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join((" " * indent + line).rstrip() for line in lines)


def value(setting: object) -> str:
    """A setting as TOML would spell it; '-' for not set."""
    if setting is None:
        return "-"
    if isinstance(setting, bool):
        return "true" if setting else "false"
    if isinstance(setting, tuple):
        return ", ".join(map(str, setting)) or "-"
    return str(setting)


def finite(metrics: Mapping[str, float]) -> dict[str, Any]:
    """Metrics for JSON, which has no NaN: what is not finite becomes null."""
    return {name: number if math.isfinite(number) else None for name, number in metrics.items()}
