"""How far refinement moved what the labels describe."""

from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.kind import PartKind

KIND = PartKind(
    title="Label check",
    anchor="label-check",
    folders=("label-check",),
    files=("check.json",),
    absent="No label check was given: whether the labels still describe the refined images was "
    "not checked.",
    fill=generic.fill,
)
