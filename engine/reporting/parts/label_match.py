"""How the labels of the synthetic images were spread, and how they were drawn."""

from typing import Any

from simgan.engine.label_matching.report import GAP_SHARE
from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

SETS = {"before": "synthetic", "after": "as drawn", "target": "real"}
COLUMNS = ("label", "set", "mean", "deviation", "5 %", "95 %")
FIGURES = ("mean", "deviation", "q05", "q95")


def fill(part: Part, values: dict[str, Any]) -> None:
    """How many images count, and the labels before and after beside the real ones."""
    kept, images = values["images_kept"], values["images"]
    part.sentences.append(
        Sentence(
            "fact",
            f"Labels were matched to {values['match_labels']}: {kept:,} of {images:,} synthetic "
            f"images were drawn, which count as {values['effective_images']:,.0f} equally drawn "
            "ones.",
        )
    )
    gap = values["target_without_synthetic"]
    if gap:
        text = f"{gap:.0%} of the real labels have no synthetic label near them."
        part.sentences.append(Sentence("bad" if gap > GAP_SHARE else "fact", text))
    if values["labels"]:
        part.tables.append(Table("Labels of the images", COLUMNS, _rows(values["labels"])))
    if values.get("synthetic_labels"):
        caption = "True labels of the synthetic images (those above are predictions)"
        part.tables.append(Table(caption, COLUMNS, _rows(values["synthetic_labels"])))
    part.notes.append(f"The labels are {values['description']}.")


def _rows(labels: dict[str, Any]) -> list[list[str]]:
    return [
        [name, told, *(number(item[kind][figure]) for figure in FIGURES)]
        for name, item in labels.items()
        for kind, told in SETS.items()
        if kind in item
    ]


KIND = PartKind(
    title="Label matching",
    anchor="label-match",
    folders=(".",),
    files=("label-match.json",),
    absent="Labels were not matched (train --match-labels). Where real labels are spread "
    "differently from synthetic ones, a refiner can learn to move what they describe.",
    fill=fill,
    figures="label-match.png",
)
