"""The metrics of a run over its steps: what each chart shows, and what happened when."""

import math
from collections.abc import Sequence
from typing import Any

from simgan.engine.config import TrainConfig
from simgan.engine.reporting.charts import MOST_POINTS, LineChart, Mark, Point, Series, Zone
from simgan.engine.reporting.facts import Row, RunFacts
from simgan.engine.run_state import PHASES

X_LABEL = "step of Algorithm 1"
# What the page has no chart of its own for, and is no figure of the images either.
UNPLOTTED = ("phase", "step", "eta_s")
MOST_OTHERS = 12
WAITING = 0.01  # share of the time from which waiting for data deserves a chart


def charts(facts: RunFacts, patches: int | None) -> list[LineChart]:
    """The charts of training, in the order of the page; those without values are left out.

    Args:
        facts: of the run.
        patches: of the discriminator's map, for the loss of guessing; None where unknown.
    """
    made = [
        *_losses(facts, patches),
        _chart(
            facts,
            "How often the discriminator is right",
            "patches told right, %",
            {"d_accuracy_real": "real images", "d_accuracy_refined": "refined images"},
            y_range=(0.0, 1.0),
            percent=True,
            levels=((0.5, "guessing"),),
            note="Both near 50 % means that it cannot tell refined from real.",
        ),
        _chart(
            facts,
            "How much refinement changes an image",
            "|R(x) - x|, images in [-1, 1]",
            {"mean_abs_change": "mean change of a pixel"},
            zero=True,
            note="Near 0 the refiner does nothing; much change can cost the labels.",
        ),
        _chart(
            facts,
            "Contrast",
            "deviation in [-1, 1]",
            {
                "synthetic_contrast": "synthetic",
                "refined_contrast": "refined",
                "real_contrast": "real",
            },
            zero=True,
            note="Deviation of the pixels of an image; refined should move towards real.",
        ),
    ]
    named = {name for chart in CHARTED for name in chart}
    others = sorted({name for row in facts.rows for name in row} - named - set(UNPLOTTED))
    made += [_chart(facts, name, name, {name: name}) for name in others[:MOST_OTHERS]]
    return [chart for chart in made if chart.shown]


def speed_charts(facts: RunFacts) -> list[LineChart]:
    """Images per second, and the share of the time spent waiting for data."""
    speed = _chart(
        facts, "Speed", "images/s", {"images_per_s": "images per second"}, zero=True,
        note="Images of all updates of both networks.",
    )  # fmt: skip
    wait = _chart(
        facts, "Waiting for data", "% of the time", {"data_wait": "data wait"}, zero=True,
        percent=True,
    )  # fmt: skip
    waits = [y for line in wait.series for _, y in line.points if y is not None]
    worth_showing = max(waits, default=0.0) >= WAITING
    return [chart for chart, told in ((speed, True), (wait, worth_showing)) if told and chart.shown]


CHARTED = (
    ("refiner_loss", "realism_loss", "self_regularization"),
    ("discriminator_loss",),
    ("d_accuracy_real", "d_accuracy_refined"),
    ("mean_abs_change",),
    ("synthetic_contrast", "refined_contrast", "real_contrast"),
    ("images_per_s",),
    ("data_wait",),
)


def _losses(facts: RunFacts, patches: int | None) -> list[LineChart]:
    guessing = ((2 * patches * math.log(2), "guessing"),) if patches else ()
    return [
        _chart(
            facts,
            "Losses of the refiner",
            "sum over patches or pixels",
            {
                "refiner_loss": "total",
                "realism_loss": "realism",
                "self_regularization": "self-regularization, before lambda",
            },
            log=True,
            note="Means over images. In pre-training the total is the self-regularization.",
        ),
        _chart(
            facts,
            "Loss of the discriminator",
            "sum over patches",
            {"discriminator_loss": "discriminator"},
            levels=guessing,
            note="Mean over images; well below guessing it tells refined from real easily.",
        ),
    ]


def _chart(
    facts: RunFacts, title: str, y_label: str, names: dict[str, str], **options: Any
) -> LineChart:
    lines = [Series(text, points(facts.rows, name, facts.config)) for name, text in names.items()]
    return LineChart(
        title,
        y_label,
        X_LABEL,
        lines,
        zones=zones(facts),
        marks=marks(facts),
        **options,
    )


def place(phase: str, step: int, config: TrainConfig) -> int:
    """Where a step lies on the axis: Algorithm 1 begins at 0, pre-training lies before it."""
    first, second = config.pretrain_refiner_steps, config.pretrain_discriminator_steps
    return step - (first + second, second, 0)[PHASES.index(phase)]


def points(rows: Sequence[Row], name: str, config: TrainConfig) -> list[Point]:
    """(place, value) of one metric; thinned by averaging neighbours where there are very many."""
    found: list[Point] = []
    for phase in PHASES:
        of_phase = [row for row in rows if row["phase"] == phase and name in row]
        values = [(place(phase, row["step"], config), _finite(row[name])) for row in of_phase]
        size = math.ceil(len(values) / MOST_POINTS) if values else 1
        for start in range(0, len(values), size):
            block = values[start : start + size]
            known = [y for _, y in block if y is not None]
            found.append((block[-1][0], sum(known) / len(known) if known else None))
    return found


def _finite(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None


def zones(facts: RunFacts) -> list[Zone]:
    """Pre-training, as far as it has metrics."""
    first = facts.config.pretrain_refiner_steps
    second = facts.config.pretrain_discriminator_steps
    seen = {row["phase"] for row in facts.rows}
    found = [
        Zone(-first - second, -second, "refiner alone"),
        Zone(-second, 0, "discriminator alone"),
    ]
    return [z for z, phase in zip(found, PHASES, strict=False) if phase in seen]


def marks(facts: RunFacts) -> list[Mark]:
    """Rollbacks and health warnings on the axis."""
    found = [
        Mark(place(r.phase, r.step, facts.config), f"step {r.step:,}: rolled back (not finite)")
        for r in facts.rollbacks
    ]
    return found + [Mark(step, f"step {step:,}: {text}") for step, text in facts.warnings]


def seconds(facts: RunFacts) -> float:
    """Time that the steps of the kept rows took, without pauses, checkpoints and sample grids."""
    total, before = 0.0, {"phase": "", "step": 0}
    config = facts.config
    for row in facts.rows:
        since = before["step"] if before["phase"] == row["phase"] else 0
        updates = config.k_g + config.k_d if row["phase"] == PHASES[2] else 1
        speed = _finite(row.get("images_per_s"))
        if speed:
            total += (row["step"] - since) * updates * config.batch / speed
        before = row
    return total
