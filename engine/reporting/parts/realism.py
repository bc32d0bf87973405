"""How far refined images still are from real ones."""

from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.kind import PartKind

KIND = PartKind(
    title="Realism",
    anchor="realism",
    folders=("realism",),
    files=("realism.json",),
    absent="No realism test was given: how far refined images still are from real ones was not "
    "tested after training.",
    fill=generic.fill,
)
