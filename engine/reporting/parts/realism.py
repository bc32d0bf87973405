"""How far refined images still are from real ones: what `check-realism` found."""

from typing import Any

from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.generic import estimate
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

COLUMNS = ("set", "kernel distance", "p", "patches told right, %", "images told right, %")


def fill(part: Part, values: dict[str, Any]) -> None:
    """A sentence and a row for each set that was compared with the real one, then the rest."""
    rows = []
    for found in values["comparisons"]:
        judge, kid = found.get("classifier"), found.get("kid")
        told = ["-", "-"]
        if judge:
            told = [_share(judge, "patch"), _share(judge, "image")]
            text = (
                f"Realism: a fresh discriminator tells {found['set']} from real images in "
                f"{judge['image_accuracy']:.0%} of images and {judge['patch_accuracy']:.0%} of "
                "patches that it has not seen; 50% would be guessing."
            )
            part.sentences.append(Sentence("fact", text))
        distance = estimate(kid) if kid else "-"
        p = number(kid.get("p"), 2) if kid else "-"
        rows.append([str(found["set"]), distance, p, *told])
    part.tables.append(Table("Compared with the real images", COLUMNS, rows))
    rest = {k: v for k, v in values.items() if k not in ("comparisons", "spectrum")}
    generic.fill(part, rest, folded=True)


def _share(judge: dict[str, Any], name: str) -> str:
    low, high = 100 * judge[f"{name}_low"], 100 * judge[f"{name}_high"]
    return f"{100 * judge[f'{name}_accuracy']:.1f} ({low:.1f} to {high:.1f})"


KIND = PartKind(
    title="Realism",
    anchor="realism",
    folders=("realism",),
    files=("realism.json",),
    absent="No realism test was given: how far refined images still are from real ones was not "
    "tested after training.",
    fill=fill,
)
