"""Charts as SVG, without a library or a script: lines over an axis, and intervals in rows.

Text keeps its size in a viewBox as wide as a phone; colors are classes of the style sheet, which
also knows dark screens and paper. Made as a tree of elements, so that no name can become markup.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from simgan.engine.reporting.scale import Scale, number, span

WIDTH, HEIGHT = 440.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 22.0, 40.0
ROW = 34.0
CHARACTER = 6.6  # px, about, of a tick's text
MOST_POINTS = 240  # of a line; more would not be told apart
COLORS = 7  # classes s0 to s6 of the style sheet

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Series:
    """A line: (x, y) in the order of x; None, and what is not finite, is a gap."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Zone:
    """A part of the x axis with a name of its own."""

    start: float
    end: float
    name: str


@dataclass(frozen=True)
class Mark:
    """Something that happened at one x."""

    x: float
    text: str


@dataclass(frozen=True)
class LineChart:
    """Lines over one x axis.

    Attributes:
        title: of the figure.
        y_label, x_label: what the axes show, with the unit.
        series: the lines; those without any finite value are left out.
        log: logarithmic y axis, where all values are positive.
        y_range, x_range: the axes; None for what the values need.
        zero: the axis begins at 0.
        percent: y values from 0 to 1 are shown as percent.
        levels: (y, name) of horizontal lines to compare with.
        zones, marks: on the x axis.
        note: a sentence below the title.
    """

    title: str
    y_label: str
    x_label: str
    series: Sequence[Series]
    log: bool = False
    y_range: tuple[float, float] | None = None
    x_range: tuple[float, float] | None = None
    zero: bool = False
    percent: bool = False
    levels: Sequence[tuple[float, str]] = ()
    zones: Sequence[Zone] = ()
    marks: Sequence[Mark] = ()
    note: str = ""

    @property
    def shown(self) -> list[Series]:
        """The lines that have something to show."""
        return [s for s in self.series if any(_good(y) for _, y in s.points)]

    def spoken(self, value: float) -> str:
        """A y value in its unit."""
        return f"{value * 100:.1f} %" if self.percent else number(value)

    def summary(self) -> str:
        """For those who cannot see the lines: the first and the last value of each."""
        parts = []
        for line in self.shown:
            values = [y for _, y in line.points if y is not None and math.isfinite(y)]
            parts.append(f"{line.name} from {self.spoken(values[0])} to {self.spoken(values[-1])}")
        return f"{self.title}. {self.y_label} over {self.x_label}: " + "; ".join(parts)

    def svg(self) -> Markup:
        """The chart; empty when no line has a value."""
        return _draw_lines(self) if self.shown else Markup("")


@dataclass(frozen=True)
class Interval:
    """A row of an IntervalChart: a value and its interval, either end of which may be unknown."""

    name: str
    value: float
    low: float | None
    high: float | None
    text: str = field(default="")


def _good(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _draw_lines(chart: LineChart) -> Markup:
    lines = chart.shown
    xs = [x for s in lines for x, _ in s.points] + [edge for z in chart.zones for edge in
          (z.start, z.end)]  # fmt: skip
    values = [float(y) for s in lines for _, y in s.points if y is not None and math.isfinite(y)]
    log = chart.log and min(values) > 0
    levels = [(y, name) for y, name in chart.levels if y > 0 or not log]
    bottom, top = chart.y_range or span([*values, *(y for y, _ in levels)], log=log,
                                        zero=chart.zero)  # fmt: skip
    low, high = chart.x_range or (min(xs), max(xs))
    x = Scale(low, high if high > low else low + 1, LEFT, WIDTH - RIGHT)
    y = Scale(bottom, top, HEIGHT - BOTTOM, TOP, log)
    root = _root(HEIGHT, chart.summary())
    _draw_zones(root, chart.zones, x)
    _draw_axes(root, chart, x, y)
    for level, name in levels:
        _element(root, "line", "level", x1=LEFT, x2=WIDTH - RIGHT, y1=y(level), y2=y(level))
        _text(root, name, WIDTH - RIGHT - 2, y(level) - 4, "note end")
    for mark in chart.marks:
        place = x(mark.x)
        line = _element(root, "line", "mark", x1=place, x2=place, y1=TOP, y2=HEIGHT - BOTTOM)
        SubElement(line, "title").text = mark.text
        tip = f"M{place:.1f} {TOP:.1f}l-5 -8h10z"
        SubElement(_element(root, "path", "mark-tip", d=tip), "title").text = mark.text
    for index, line_of in enumerate(lines):
        _draw_line(root, line_of, x, y, index % COLORS)
    _draw_hover(root, chart, lines, x)
    return _markup(root)


def _draw_zones(root: Element, zones: Sequence[Zone], x: Scale) -> None:
    for index, zone in enumerate(zones):
        width = x(zone.end) - x(zone.start)
        area = _element(root, "rect", f"zone z{index % 2}", x=x(zone.start), y=TOP, width=width,
                        height=HEIGHT - TOP - BOTTOM)  # fmt: skip
        SubElement(area, "title").text = zone.name
        if width > CHARACTER * len(zone.name):
            _text(root, zone.name, x(zone.start) + width / 2, TOP + 12, "note middle")


def _draw_axes(root: Element, chart: LineChart, x: Scale, y: Scale) -> None:
    floor = HEIGHT - BOTTOM
    for tick in y.ticks(5):
        _element(root, "line", "grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick))
        text = f"{tick * 100:g}" if chart.percent else number(tick)
        _text(root, text, LEFT - 6, y(tick) + 4, "tick end")
    ticks = x.ticks(6)
    if x.low < 0 < x.high and chart.zones:  # before 0 lies what the zones name
        ticks = [tick for tick in ticks if tick >= 0]
    for tick in ticks:
        _element(root, "line", "axis", x1=x(tick), x2=x(tick), y1=floor, y2=floor + 4)
        place = min(x(tick), WIDTH - RIGHT - CHARACTER * len(number(tick)) / 2 + 4)
        _text(root, number(tick), place, floor + 17, "tick middle")
    _element(root, "line", "axis", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor)
    kind = f"{chart.y_label}{' (logarithmic)' if y.log else ''}"
    _text(root, kind, 4, 12, "label")
    _text(root, chart.x_label, WIDTH - RIGHT, HEIGHT - 5, "label end")


def _draw_line(root: Element, line: Series, x: Scale, y: Scale, color: int) -> None:
    """A path with a gap where a value is missing; a lone value is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for place, value in line.points:
        if value is None or not math.isfinite(value) or (y.log and value <= 0):
            runs.append([])
        else:
            runs[-1].append((x(place), y(value)))
    for run in runs:
        if len(run) == 1:
            _element(root, "circle", f"dot s{color}", cx=run[0][0], cy=run[0][1], r=3)
        elif run:
            path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in run)
            _element(root, "path", f"line s{color}", d=path)


def _draw_hover(root: Element, chart: LineChart, lines: Sequence[Series], x: Scale) -> None:
    """A strip per x whose title tells every value there, for a pointer that rests on it."""
    at: dict[float, list[str]] = {}
    for line in lines:
        for place, value in line.points:
            if value is not None:
                at.setdefault(place, []).append(f"{line.name}: {chart.spoken(value)}")
    places = sorted(at)
    edges = [x.start, *(x((a + b) / 2) for a, b in itertools.pairwise(places)), x.end]
    for index, place in enumerate(places):
        left, right = edges[index], edges[index + 1]
        strip = _element(root, "rect", "hover", x=left, y=TOP, width=max(right - left, 0.1),
                         height=HEIGHT - TOP - BOTTOM)  # fmt: skip
        head = f"{chart.x_label.partition(' (')[0]} {number(place)}"
        SubElement(strip, "title").text = "\n".join([head, *at[place]])


def interval_chart(title: str, unit: str, rows: Sequence[Interval]) -> Markup:
    """Values in rows, each a dot with its interval; empty without rows."""
    if not rows:
        return Markup("")
    ends = [e for r in rows for e in (r.value, r.low, r.high) if e is not None and math.isfinite(e)]
    low, high = span(ends, zero=True)
    height = TOP + ROW * len(rows) + BOTTOM - 10
    x = Scale(low, high, 12, WIDTH - 16)
    told = "; ".join(f"{row.name} {row.text or number(row.value)}" for row in rows)
    root = _root(height, f"{title}, {unit}: {told}")
    floor = height - BOTTOM + 2
    for tick in x.ticks(6):
        _element(root, "line", "grid", x1=x(tick), x2=x(tick), y1=4, y2=floor)
        _text(root, number(tick), x(tick), floor + 15, "tick middle")
    _text(root, unit, WIDTH - RIGHT, height - 3, "label end")
    for index, row in enumerate(rows):
        middle = 26 + ROW * index
        color = f"s{index % COLORS}"
        room = int((WIDTH - 16) / CHARACTER) - len(row.text or number(row.value))
        _text(root, _fitted(row.name, room), 4, middle - 9, "label")
        _text(root, row.text or number(row.value), WIDTH - 4, middle - 9, "label end")
        if row.low is not None and row.high is not None:
            _element(root, "line", f"bar {color}", x1=x(row.low), x2=x(row.high), y1=middle + 3,
                     y2=middle + 3)  # fmt: skip
        _element(root, "circle", f"dot {color}", cx=x(row.value), cy=middle + 3, r=5)
    return _markup(root)


def _fitted(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: max(characters - 2, 1)]}.."


def _root(height: float, label: str) -> Element:
    attributes = {"viewBox": f"0 0 {WIDTH:g} {height:g}", "role": "img", "aria-label": label}
    return Element("svg", attributes)


def _element(parent: Element, tag: str, kind: str, **attributes: float | str) -> Element:
    texts = {
        name: value if isinstance(value, str) else f"{value:.1f}"
        for name, value in attributes.items()
    }
    return SubElement(parent, tag, {"class": kind, **texts})


def _text(parent: Element, text: str, x: float, y: float, kind: str) -> None:
    _element(parent, "text", kind, x=x, y=y).text = text


def _markup(root: Element) -> Markup:
    return Markup(tostring(root, encoding="unicode"))
