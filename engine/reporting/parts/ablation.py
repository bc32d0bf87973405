"""What each part of the method contributed: what `ablate` found."""

from typing import Any

from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.generic import estimate
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

LEFT_OUT = ("arms", "schema")


def fill(part: Part, values: dict[str, Any]) -> None:
    """Which variants differ from the base for sure, and the table of all with their stability."""
    arms, unit = values["arms"], values["unit"]
    rows = []
    worse, better = [], []
    for arm in arms:
        against = arm.get("against_base")
        difference = against["difference"] if against else None
        if difference and difference["low"] is not None:
            if difference["high"] < 0:
                worse.append(str(arm["label"]))
            elif difference["low"] > 0:
                better.append(str(arm["label"]))
        rows.append([
            str(arm["label"]),
            estimate(arm["mean"]) if arm["mean"] else "failed",
            estimate(difference) if difference else "-",
            number(against["p"], 2) if against else "-",
            number(arm.get("spread"), 3),
            number(arm.get("fluctuation"), 3),
        ])  # fmt: skip
    part.sentences.append(Sentence("fact", _verdict(len(arms) - 1, worse, better, values)))
    columns = ("variant", f"mean error, {unit}", f"better than base by, {unit}", "p",
               "spread over seeds", "fluctuation over steps")  # fmt: skip
    part.tables.append(Table("Variants, each with one thing changed", columns, rows))
    generic.fill(part, {k: v for k, v in values.items() if k not in LEFT_OUT}, folded=True)


def _verdict(variants: int, worse: list[str], better: list[str], values: dict[str, Any]) -> str:
    told = [
        f"{word} than the base setting: {', '.join(names)}"
        for word, names in (("worse", worse), ("better", better))
        if names
    ]
    if not told:
        return f"Ablation: none of {variants} variants differs reliably from the base setting."
    return (
        f"Ablation, of {variants} variants: {'; '.join(told)} ({values['confidence']:.0%} "
        "intervals exclude 0; not corrected for the number of variants)."
    )


KIND = PartKind(
    title="Ablation",
    anchor="ablation",
    folders=("ablation",),
    files=("ablation.json",),
    absent="No ablation was given: which parts of the method mattered here was not tried.",
    fill=fill,
)
