"""The labels before and after matching as a picture; needs matplotlib."""

import io

import numpy as np
from matplotlib.figure import Figure

from simgan.engine.label_matching.found import LabelMatch

BINS = 40
SERIES = (("synthetic", "#56B4E9"), ("synthetic, matched", "#0072B2"), ("target", "#D55E00"))


def draw_match(found: LabelMatch) -> bytes:
    """One histogram per label: synthetic, synthetic as drawn, and what is followed; a PNG."""
    figure = Figure(figsize=(4.2 * len(found.names), 3.2), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(found.names), squeeze=False)[0]
    for column, (axes, name) in enumerate(zip(panels, found.names, strict=True)):
        values = found.values[:, column]
        samples = [(values, None), (values, found.weights)]
        if found.target is not None:
            samples.append((found.target[:, column], None))
        everything = np.concatenate([sample for sample, _ in samples])
        edges = np.linspace(everything.min(), everything.max() + 1e-9, BINS + 1)
        for (label, color), (sample, weights) in zip(SERIES, samples, strict=False):
            axes.hist(
                sample,
                edges,
                weights=weights,
                density=True,
                histtype="step",
                linewidth=1.8,
                color=color,
                label=label,
            )
        axes.set_xlabel(f"{name}, degrees" if name in ("pitch", "yaw") else name)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_ylabel("share of images")
    panels[-1].legend(frameon=False, fontsize="small")
    packed = io.BytesIO()
    figure.savefig(packed, format="png", metadata={"Software": None})
    return packed.getvalue()
