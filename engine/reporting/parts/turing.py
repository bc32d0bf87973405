"""What people saw: refined and real images told apart by eye."""

from simgan.engine.reporting.parts import generic
from simgan.engine.reporting.parts.kind import PartKind

KIND = PartKind(
    title="Visual Turing test",
    anchor="turing",
    folders=("turing",),
    files=("results.json",),
    absent="No visual Turing test was given: whether people can tell refined images from real "
    "ones was not tried.",
    fill=generic.fill,
)
