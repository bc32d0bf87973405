"""Whether refined images make a better training set: what `evaluate` found."""

from typing import Any

from simgan.engine.reporting.charts import (
    MOST_POINTS,
    Interval,
    LineChart,
    Series,
    interval_chart,
)
from simgan.engine.reporting.content import Drawing, Part, Sentence, Table
from simgan.engine.reporting.parts.generic import cell, words
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

MOST_PERSONS = 60
SHOWN = 0.999  # the curve ends where every arm has this share
Values = dict[str, Any]


def fill(part: Part, report: Values) -> None:
    """Sentences on every comparison, tables of errors and persons, the cumulative curve."""
    unit = str(report["unit"])
    arms = report["arms"]
    part.sentences += [_verdict(row, report) for row in report["comparisons"]]
    if not report["comparisons"]:
        mean = arms[0]["mean"]
        part.sentences.append(Sentence("fact", (
            f"Estimators trained on {arms[0]['name']} err by {_estimate(mean)} {unit} on average "
            f"({report['images']:,} test images); nothing was compared."
        )))  # fmt: skip
    part.sentences += _simpler(report)
    part.drawings.append(_intervals(report, unit))
    part.tables.append(_errors(report, unit))
    if report["comparisons"]:
        part.tables.append(_comparisons(report, unit))
    if len(report["persons"]) > 1:
        part.tables.append(_persons(report, unit))
    part.charts.append(_curve(report, unit))
    settings = [(words(key), cell(value)) for key, value in report["config"].items()]
    rows = [(name, text) for name, text in settings if text is not None]
    part.tables.append(Table("Settings of this evaluation", ("setting", "value"), rows, True))
    test = report["test"]
    seconds = number(report["seconds"] / 60, 3)
    part.notes += [
        f"test set: {test['location']} ({test['description']}), {report['images']:,} images",
        f"{report['confidence']:.0%} intervals over {report['resampled']}; took {seconds} minutes",
        *report["notes"],
    ]


def _verdict(row: Values, report: Values) -> Sentence:
    """One comparison; a difference counts only when its interval excludes 0."""
    errors = {arm["name"]: arm["mean"]["value"] for arm in report["arms"]}
    unit, arm, reference = report["unit"], row["arm"], row["reference"]
    told = (
        f"Estimators trained on {arm} err by {number(errors[arm], 3)} {unit} on "
        f"{report['images']:,} test images, on {reference} by {number(errors[reference], 3)}"
    )
    gain = row["gain"]
    share = f"{abs(gain['value']):.0%}"
    low, high = gain["low"], gain["high"]
    if low is None or high is None:
        return Sentence("open", f"{told}; how sure that is, is not known.")
    seeds = len(report["arms"][0]["seeds"])
    sure = f"{report['confidence']:.0%} interval {low:.0%} to {high:.0%}, {_seeds(seeds)}"
    if low > 0:
        return Sentence("good", f"{told}: {share} better ({sure}).")
    if high < 0:
        return Sentence("bad", f"{told}: {share} worse ({sure}).")
    return Sentence("open", f"{told}: no reliable difference (gain {gain['value']:.0%}, {sure}).")


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _estimate(value: Values, form: str = "{:.2f}") -> str:
    """`9.26 (8.8 to 9.7)` with a fixed number of digits, so that columns can be compared."""
    if value["low"] is None or value["high"] is None:
        return form.format(value["value"])
    low, high = form.format(value["low"]), form.format(value["high"])
    return f"{form.format(value['value'])} ({low} to {high})"


def _simpler(report: Values) -> list[Sentence]:
    """What must be said when a simple estimator beats every trained one."""
    best = min(report["arms"], key=lambda arm: float(arm["mean"]["value"]))
    simple = min(report["baselines"], key=lambda row: float(row["mean"]["value"]), default=best)
    if simple["mean"]["value"] >= best["mean"]["value"]:
        return []
    text = (
        f"A simple estimator does better than any trained one: {simple['name']} on "
        f"{simple['arm']} errs by {number(simple['mean']['value'], 3)} {report['unit']}. Longer "
        "training may change that."
    )
    return [Sentence("open", text)]


def _intervals(report: Values, unit: str) -> Drawing:
    rows = [
        Interval(arm["name"], arm["mean"]["value"], arm["mean"]["low"], arm["mean"]["high"],
                 _estimate(arm["mean"]))
        for arm in report["arms"]
    ]  # fmt: skip
    title = "Mean error by training set"
    return Drawing(title, interval_chart(title, f"mean error, {unit}", rows))


def _errors(report: Values, unit: str) -> Table:
    near = list(report["arms"][0]["within"])
    rows = []
    for arm in report["arms"]:
        rows.append(_row(f"{arm['name']}: estimator", arm, near))
        for simple in report["baselines"]:
            if simple["arm"] == arm["name"]:
                setting = f", {simple['setting']}" if simple["setting"] else ""
                rows.append(_row(f"{arm['name']}: {simple['name']}{setting}", simple, near))
    columns = ("trained on", "mean", "median", *(f"within {d}, %" for d in near))
    caption = f"Errors on {report['images']:,} test images, {unit}, with intervals"
    return Table(caption, columns, rows)


def _row(name: str, values: Values, near: list[str]) -> list[str]:
    shares = (
        _estimate({k: None if v is None else 100 * v for k, v in values["within"][d].items()},
                  "{:.1f}")
        for d in near
    )  # fmt: skip
    return [name, _estimate(values["mean"]), _estimate(values["median"]), *shares]


def _comparisons(report: Values, unit: str) -> Table:
    rows = []
    for row in report["comparisons"]:
        gain = {k: None if v is None else 100 * v for k, v in row["gain"].items()}
        rows.append([
            f"{row['arm']} against {row['reference']}",
            _estimate(row["difference"], "{:+.2f}"),
            _estimate(gain, "{:+.1f}"),
            "unknown" if row["p"] is None else number(row["p"], 2),
            ", ".join(f"{value:+.2f}" for value in row["per_seed"]),
        ])  # fmt: skip
    columns = ("", f"better by, {unit}", "gain, %", "p", "by seed")
    return Table("Comparisons: same seeds, steps and test images", columns, rows)


def _persons(report: Values, unit: str) -> Table:
    arms = [arm["name"] for arm in report["arms"]]
    people = report["persons"]
    rows = [
        [str(row["person"]), f"{row['images']:,}",
         *(f"{row['arms'][arm]['mean']:.2f} ({row['arms'][arm]['median']:.2f})" for arm in arms)]
        for row in people[:MOST_PERSONS]
    ]  # fmt: skip
    more = f", {MOST_PERSONS} of {len(people)}" if len(people) > MOST_PERSONS else ""
    caption = f"By person{more}: mean (median), {unit}"
    return Table(caption, ("person", "images", *arms), rows, folded=len(rows) > 12)


def _curve(report: Values, unit: str) -> LineChart:
    lines = []
    last = 0.0
    for arm in report["arms"]:
        curve = arm["curve"]
        (axis,) = set(curve) - {"share"}
        pairs = list(zip(curve[axis], curve["share"], strict=True))
        last = max(last, next((d for d, share in pairs if share >= SHOWN), pairs[-1][0]))
        lines.append((arm["name"], pairs))
    named = [float(d) for d in report["arms"][0]["within"]]
    series = []
    for name, pairs in lines:
        kept = [pair for pair in pairs if pair[0] <= last]
        every = -(-len(kept) // MOST_POINTS)
        series.append(Series(name, [p for i, p in enumerate(kept)
                                    if i % every == 0 or p[0] in named]))  # fmt: skip
    return LineChart(
        "Cumulative curve",
        "% of test images",
        f"error at most, {unit}",
        series,
        y_range=(0.0, 1.0),
        percent=True,
        note="Higher and further to the left is better.",
    )


KIND = PartKind(
    title="Evaluation",
    anchor="evaluation",
    folders=("evaluation",),
    files=("evaluation.json",),
    absent="No evaluation was given: whether refined images make a better training set is not "
    "known; simgan-engine evaluate measures it.",
    fill=fill,
    figures="",
)
