"""What each part of the method contributed."""

from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.kind import PartKind

KIND = PartKind(
    title="Ablation",
    anchor="ablation",
    folders=("ablation",),
    files=("ablation.json",),
    absent="No ablation was given: which parts of the method mattered here was not tried.",
    fill=generic.fill,
)
