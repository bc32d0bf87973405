"""Charts as trees: where lines lie, what is left out, what a pointer is told."""

import math
import re
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pytest

from simgan.engine.reporting.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Interval,
    LineChart,
    Mark,
    Point,
    Series,
    Zone,
    interval_chart,
)

HOSTILE = "</svg><script>alert('x')</script>\"&"


def chart(*lines: list[Point], **options: object) -> LineChart:
    series = [Series(f"line {index}", points) for index, points in enumerate(lines)]
    return LineChart("Title", "unit", "step", series, **options)  # type: ignore[arg-type]


def drawn(made: LineChart) -> Element:
    return fromstring(made.svg())


def of_class(root: Element, kind: str) -> list[Element]:
    return [element for element in root.iter() if kind in element.get("class", "").split()]


def places(path: Element) -> list[tuple[float, float]]:
    numbers = [float(text) for text in re.findall(r"-?[\d.]+", path.get("d", ""))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_a_line_goes_where_its_values_are() -> None:
    root = drawn(chart([(0, 0.0), (50, 1.0), (100, 0.5)], y_range=(0.0, 1.0)))
    (line,) = of_class(root, "line")
    floor = HEIGHT - BOTTOM
    middle, right = (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT
    expected = [(LEFT, floor), (middle, TOP), (right, (TOP + floor) / 2)]
    assert np.array(places(line)) == pytest.approx(np.array(expected))


def test_a_logarithmic_axis_puts_ten_midway_between_one_and_a_hundred() -> None:
    root = drawn(chart([(0, 1.0), (1, 10.0), (2, 100.0)], y_range=(1.0, 100.0), log=True))
    (line,) = of_class(root, "line")
    heights = [y for _, y in places(line)]
    assert heights[1] == pytest.approx((heights[0] + heights[2]) / 2, abs=0.1)
    assert "(logarithmic)" in "".join(root.itertext())


def test_zero_takes_the_logarithm_away() -> None:
    root = drawn(chart([(0, 0.0), (1, 10.0)], log=True))
    assert "(logarithmic)" not in "".join(root.itertext())


def test_gaps_part_a_line_and_a_lone_value_is_a_dot() -> None:
    points: list[Point] = [(0, 1.0), (1, 2.0), (2, None), (3, 4.0), (4, math.nan), (5, 1.0), (6, 2)]
    root = drawn(chart(points))
    assert [len(places(line)) for line in of_class(root, "line")] == [2, 2]
    assert len(of_class(root, "dot")) == 1


def test_a_line_without_values_is_left_out_and_a_chart_without_lines_is_empty() -> None:
    made = chart([(0, None)], [(0, 1.0), (1, 2.0)])
    assert [line.name for line in made.shown] == ["line 1"]
    assert chart([(0, None)], [(1, math.inf)]).svg() == ""


def test_a_pointer_is_told_every_value_at_its_place() -> None:
    root = drawn(chart([(0, 0.25), (10, 0.5)], [(10, 0.125)], percent=True))
    titles = [element.findtext("title") for element in of_class(root, "hover")]
    assert titles == ["step 0\nline 0: 25.0 %", "step 10\nline 0: 50.0 %\nline 1: 12.5 %"]
    label = root.get("aria-label", "")
    assert "line 0 from 25.0 % to 50.0 %" in label and root.get("role") == "img"


def test_zones_marks_and_levels_lie_on_the_axes() -> None:
    made = chart(
        [(0, 1.0), (100, 2.0)],
        zones=[Zone(-100, 0, "before")],
        marks=[Mark(50, "rolled back")],
        levels=[(1.5, "guessing")],
        y_range=(1.0, 2.0),
    )
    root = drawn(made)
    (zone,) = of_class(root, "zone")
    half = (WIDTH - RIGHT - LEFT) / 2
    assert (float(zone.get("x", "")), float(zone.get("width", ""))) == (LEFT, half)
    (mark,) = of_class(root, "mark")
    assert float(mark.get("x1", "")) == LEFT + 1.5 * half
    assert mark.findtext("title") == "rolled back"
    (level,) = of_class(root, "level")
    assert float(level.get("y1", "")) == (TOP + HEIGHT - BOTTOM) / 2
    ticks = [tick.text for tick in of_class(root, "tick") if "middle" in tick.get("class", "")]
    assert ticks == ["0", "50", "100"], "what lies before 0 is named, not counted"


def test_names_cannot_become_markup() -> None:
    made = LineChart(
        HOSTILE, HOSTILE, HOSTILE, [Series(HOSTILE, [(0, 1.0), (1, 2.0)])],
        zones=[Zone(0, 1, HOSTILE)], marks=[Mark(1, HOSTILE)], levels=[(1, HOSTILE)],
    )  # fmt: skip
    for svg in (made.svg(), interval_chart(HOSTILE, HOSTILE, [Interval(HOSTILE, 1, 0, 2)])):
        assert "<script" not in svg and svg.count("</svg>") == 1
        assert "http" not in svg


def test_an_interval_spans_its_ends_and_an_unknown_one_is_a_dot() -> None:
    rows = [Interval("a", 5, 0, 10), Interval("b", 2.5, None, None), Interval("c", 10, 9, 10)]
    root = fromstring(interval_chart("Errors", "degrees", rows))
    bars = of_class(root, "bar")
    assert len(bars) == 2 and len(of_class(root, "dot")) == 3
    dots = [float(dot.get("cx", "")) for dot in of_class(root, "dot")]
    assert float(bars[0].get("x1", "")) == 12.0, "0 is where the axis begins"
    assert dots[1] - 12 == pytest.approx((dots[0] - 12) / 2, abs=0.1)
    assert interval_chart("Errors", "degrees", []) == ""
